import i18next from "i18next";
import { client } from "../../rpc/client.ts";

/** Makes a project with names in the user's language; filled with an example's material if one is named. @returns its id */
export async function createProject(example: string | null): Promise<string> {
  const name = i18next.t("newVideo.untitled", { date: dayAndTime() });
  const trackName = i18next.t("timeline.track.voice", { number: 1 });
  return (await client.projects.create({ name, trackName, example })).projectId;
}

/** So that several new videos can be told apart. */
function dayAndTime(): string {
  return new Intl.DateTimeFormat(i18next.language, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(new Date());
}
