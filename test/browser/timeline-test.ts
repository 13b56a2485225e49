import { connectTo, type StudioClient } from "../support/studio-client.ts";
import { test as base } from "../support/studio-test.ts";
import { openTimeline, type TimelinePage } from "./timeline-page.ts";
import { smallProject, type Material } from "./timeline-project.ts";

interface Open {
  readonly timeline: TimelinePage;
  readonly material: Material;
  readonly client: StudioClient;
}

/** Each test has the small project of its own, open in a page of its own. */
export const test = base.extend("open", async ({ studio, openPage }, { onCleanup }): Promise<Open> => {
  const client = await connectTo(await studio.newLink());
  onCleanup(() => client.close());
  const material = await smallProject(client);
  return { client, material, timeline: await openTimeline(openPage, client, material) };
});
