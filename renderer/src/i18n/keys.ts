import type { ParseKeys } from "i18next";

/** Key of a text that exists, such as `home.newVideo`: a wrong one does not compile. */
export type TranslationKey = ParseKeys;
