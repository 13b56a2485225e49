import common from "./common.json";
import app from "./app.json";
import actions from "./actions.json";
import home from "./home.json";
import newVideo from "./newVideo.json";
import queue from "./queue.json";
import setup from "./setup.json";
import models from "./models.json";
import runtime from "./runtime.json";
import settings from "./settings.json";
import diagnostics from "./diagnostics.json";
import help from "./help.json";
import studio from "./studio.json";
import editor from "./editor.json";
import timeline from "./timeline.json";
import player from "./player.json";
import inspector from "./inspector.json";
import assets from "./assets.json";
import exporting from "./exporting.json";
import faults from "./faults.json";

/** Every text, one file a feature. Both languages have the same files and the same keys. */
export default { common, app, actions, home, newVideo, queue, setup, models, runtime, settings, diagnostics, help, studio, editor, timeline, player, inspector, assets, exporting, faults };
