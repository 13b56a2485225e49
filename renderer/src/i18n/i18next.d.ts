import "i18next";
import type english from "./en/index.ts";

declare module "i18next" {
  interface CustomTypeOptions {
    defaultNS: "translation";
    resources: { translation: typeof english };
    // A missing key is found by the compiler and by a test; nothing returns null.
    returnNull: false;
  }
}
