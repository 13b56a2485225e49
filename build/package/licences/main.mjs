import { join } from "node:path";
import { ensureNodePackages } from "../../setup/node-packages.mjs";
import { runMain } from "../../setup/user-error.mjs";
import { BILL_FILE, NOTICE_FILE, ensureNotices } from "./notices.mjs";

// `npm run licences`: who made what is shipped, under which terms, as a text and as CycloneDX. Every package contains both.
await runMain(async () => {
  await ensureNodePackages();
  const folder = await ensureNotices();
  console.log(`${join(folder, NOTICE_FILE)}\n${join(folder, BILL_FILE)}`);
  return 0;
});
