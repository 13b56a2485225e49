/** The few pages that are shown before the studio itself may be. They hold no script. */
type Language = "en" | "zh";

const TEXTS = {
  en: {
    title: "Avatar Studio",
    linkUsed: "This link does not work any more",
    linkUsedWhy: "Each link opens the studio once, and only while the server that printed it runs. This one was used already, or is from an earlier start.",
    noSession: "The studio is closed to this browser",
    noSessionWhy: "The page is opened with a link that holds a key, so that nobody else on this machine or network can use it.",
    newLink: "How to get in: in the app, close the window and open it again. In the terminal where the studio runs, press Enter: it prints a new link. If it runs without a terminal, start it again.",
    logIn: "Log in",
    password: "Password",
    wrong: "This is not the password.",
    wait: (seconds: number) => `Too many wrong passwords. Try again in ${String(seconds)} seconds.`,
    orLogIn: "Or log in with the password",
    opening: "Opening the studio",
    notBuilt: "The page is missing",
    notBuiltWhy: "The studio's server runs, but its page was not built. Start it with npm start or npm run serve, which build it.",
  },
  zh: {
    title: "Avatar Studio",
    linkUsed: "这个链接已失效",
    linkUsedWhy: "每个链接只能打开一次，并且只在生成它的服务器运行期间有效。这个链接已经用过，或者属于上一次启动。",
    noSession: "此浏览器尚未获准进入",
    noSessionWhy: "页面需要用带有密钥的链接打开，这样本机或网络上的其他人就无法使用它。",
    newLink: "如何进入：如果使用桌面应用，请关闭窗口后重新打开；如果在终端中运行，请在该终端按回车键，它会显示一个新链接；如果没有终端，请重新启动服务器。",
    logIn: "登录",
    password: "密码",
    wrong: "密码不正确。",
    wait: (seconds: number) => `密码错误次数过多，请在 ${String(seconds)} 秒后重试。`,
    orLogIn: "或者用密码登录",
    opening: "正在打开",
    notBuilt: "页面文件缺失",
    notBuiltWhy: "服务器已在运行，但页面尚未构建。请用 npm start 或 npm run serve 启动，它们会自动构建页面。",
  },
} as const;

/** The first of the browser's languages that we speak. */
export function preferredLanguage(acceptLanguage: string | undefined): Language {
  for (const one of (acceptLanguage ?? "").toLowerCase().split(",")) {
    if (one.trim().startsWith("zh")) return "zh";
    if (one.trim().startsWith("en")) return "en";
  }
  return "en";
}

export function refusedPage(language: Language, reason: "token" | "session", hasPassword: boolean): string {
  const text = TEXTS[language];
  const [head, why] = reason === "token" ? [text.linkUsed, text.linkUsedWhy] : [text.noSession, text.noSessionWhy];
  return page(language, head, `<p>${why}</p><p>${text.newLink}</p>${hasPassword ? `<p><a href="/login">${text.orLogIn}</a></p>` : ""}`);
}

export type LoginNotice = { readonly kind: "none" } | { readonly kind: "wrong" } | { readonly kind: "wait"; readonly seconds: number };

export function loginPage(language: Language, notice: LoginNotice): string {
  const text = TEXTS[language];
  const message = notice.kind === "none" ? "" : `<p role="alert">${notice.kind === "wrong" ? text.wrong : text.wait(notice.seconds)}</p>`;
  return page(
    language,
    text.logIn,
    `${message}<form method="post" action="/login"><label>${text.password}<input type="password" name="password" autocomplete="current-password" required autofocus></label><button>${text.logIn}</button></form>`,
  );
}

/**
 * A link from another site opens us without the cookie, as that is what `SameSite=Strict` means. From this page of ours the browser asks again, with it.
 */
export function onceMorePage(language: Language): string {
  return page(language, TEXTS[language].opening, "", '<meta http-equiv="refresh" content="0;url=/">');
}

export function notBuiltPage(language: Language): string {
  return page(language, TEXTS[language].notBuilt, `<p>${TEXTS[language].notBuiltWhy}</p>`);
}

const STYLE = `:root{color-scheme:light dark}
body{font:16px/1.6 system-ui,"Noto Sans CJK SC","Microsoft YaHei","PingFang SC",sans-serif;max-width:34rem;margin:18vh auto;padding:0 1.5rem}
h1{font-size:1.4rem}label{display:block}
input,button{font:inherit;padding:.45rem .7rem;margin:.3rem .6rem .3rem 0}
input{display:block;width:100%;box-sizing:border-box}`;

/** All texts are ours: nothing from a request is put into a page. */
function page(language: Language, heading: string, body: string, head = ""): string {
  return `<!doctype html><html lang="${language === "zh" ? "zh-CN" : "en"}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">${head}<title>${TEXTS[language].title}</title><style>${STYLE}</style></head><body><main><h1>${heading}</h1>${body}</main></body></html>`;
}
