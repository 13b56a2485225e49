import i18next from "i18next";
import type { Fault } from "../../../electron/contract/fault.schema.ts";
import { shownFault } from "./dialogs.ts";
import { showToast } from "../ui/toasts.ts";
import { faultSentence } from "../i18n/server-texts.ts";

/** For acts without a place of their own on the page, such as a menu's. The whole text is one click away. */
export function showFaultToast(fault: Fault): void {
  showToast(faultSentence(fault), { label: i18next.t("app.details"), run: () => shownFault.setState({ fault }) });
}
