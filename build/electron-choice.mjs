/**
 * What decides whether the studio opens in its own window.
 * @typedef {object} WindowFacts
 * @property {string} platform
 * @property {boolean} display Linux: a screen to draw on
 * @property {boolean} root
 * @property {boolean} userNamespaces Linux: programs may make the name spaces that Chromium's sandbox needs
 * @property {boolean} browserWanted
 */

/**
 * Why the window cannot be opened here, or null when it can. Electron is never run without its sandbox.
 * @param {WindowFacts} facts
 * @returns {string | null}
 */
export function whyNoWindow({ platform, display, root, userNamespaces, browserWanted }) {
  if (browserWanted) return "as asked";
  if (platform !== "linux") return null;
  if (!display) return "there is no screen here";
  if (root) return "Electron's sandbox does not work for root";
  if (!userNamespaces) return "this system keeps Electron's sandbox from working (kernel.apparmor_restrict_unprivileged_userns)";
  return null;
}
