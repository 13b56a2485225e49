/** Words of the shell itself, for moments without a page. What the page can say, the page says. */
const ENGLISH = {
  serverFailed: "Avatar Studio could not start",
  serverStopped: "The studio's server has stopped several times",
  serverStoppedDetail: "Finished clips and saved edits are kept. Start Avatar Studio again; if it happens once more, look at the logs in the data folder.",
  windowCrashed: "The window has crashed",
  windowCrashedDetail: "Renders and exports go on. Reload the window to see them again.",
  windowHangs: "The window does not answer",
  windowHangsDetail: "Renders and exports go on. Reload the window, or wait.",
  reload: "Reload",
  wait: "Wait",
  quit: "Quit",
  open: "Open Avatar Studio",
  quitQuestion: "Something is still being made",
  quitDetail: "Finished clips are kept. What is not finished goes on at the next start.",
  keepRunning: "Go on in the background",
  stopAndQuit: "Stop and quit",
  cancel: "Cancel",
} as const;

export type ShellTexts = { readonly [key in keyof typeof ENGLISH]: string };

const CHINESE: ShellTexts = {
  serverFailed: "Avatar Studio 无法启动",
  serverStopped: "后台服务多次意外停止",
  serverStoppedDetail: "已完成的片段和已保存的编辑都在。请重新启动 Avatar Studio；如果再次出现，请查看数据文件夹中的日志。",
  windowCrashed: "窗口已崩溃",
  windowCrashedDetail: "渲染和导出仍在继续。重新加载窗口即可查看。",
  windowHangs: "窗口没有响应",
  windowHangsDetail: "渲染和导出仍在继续。可以重新加载窗口，或继续等待。",
  reload: "重新加载",
  wait: "等待",
  quit: "退出",
  open: "打开 Avatar Studio",
  quitQuestion: "还有任务正在进行",
  quitDetail: "已完成的片段会保留，未完成的部分将在下次启动时继续。",
  keepRunning: "转到后台继续",
  stopAndQuit: "停止并退出",
  cancel: "取消",
};

/** Words in the language of a locale such as `zh-CN`. */
export function shellTexts(locale: string): ShellTexts {
  return locale.toLowerCase().startsWith("zh") ? CHINESE : ENGLISH;
}
