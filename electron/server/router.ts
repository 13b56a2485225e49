import { randomBytes } from "node:crypto";
import { basename, join } from "node:path";
import { implement, withEventMeta } from "@orpc/server";
import { contract, type FileTarget } from "../contract/rpc.ts";
import { FaultError } from "./common/fault-error.ts";
import { type NumberedEvent } from "./common/event-hub.ts";
import { exists } from "./media/cached-file.ts";
import { type RpcContext } from "./rpc/rpc-socket.ts";
import { type Studio } from "./studio.ts";
import { findSource } from "./system/file-sources.ts";
import { reveal } from "./system/reveal.ts";

/** Every operation of the contract, each handed to the capability that does it. */
export function createRouter(studio: Studio) {
  const os = implement(contract).$context<RpcContext>();
  const { facts, data, settings, projects, hardware, models, modelStore, checks, examples, uploads, downloads, handles, work, runtimes, diagnostics } = studio;
  const { jobs } = work;
  const canReveal = facts.atThisMachine;

  const sourceOf = (source: Parameters<typeof findSource>[0]) => findSource(source, { handles, uploads, examples });
  const show = async (path: string): Promise<Record<string, never>> => {
    if (!canReveal) throw notAtThisMachine;
    await reveal(path);
    return {};
  };

  async function collect(projectId: string, target: FileTarget): Promise<{ url: string | null }> {
    if (target.kind === "handle") {
      await projects.collectToFolder(projectId, handles.pathOf(target.handle, "write"));
      return { url: null };
    }
    const { name } = await projects.state(projectId);
    const path = join(data.downloads, `${randomBytes(8).toString("hex")}.tar`);
    await projects.collectToArchive(projectId, path);
    return { url: downloads.offer({ path, name: `${name}.tar`, remove: true }) };
  }

  return os.router({
    system: {
      info: os.system.info.handler(async () => ({
        version: facts.version,
        mode: facts.mode,
        platform: process.platform,
        dataFolder: data.path,
        demoModelOnly: (await models.list()).every((model) => model.kind === "demo"),
        locale: Intl.DateTimeFormat().resolvedOptions().locale,
        canReveal,
      })),
      update: os.system.update.handler(() => studio.updates.newer()),
      worker: os.system.worker.handler(({ signal }) => work.watchWorker(signal)),
      restartWorker: os.system.restartWorker.handler(() => {
        work.restartWorker();
        return {};
      }),
      setupChecks: os.system.setupChecks.handler(({ signal }) => diagnostics.setupChecks(signal)),
      fix: os.system.fix.handler(async ({ input }) => {
        await diagnostics.fix(input.checkId);
        return {};
      }),
    },
    runtime: {
      watch: os.runtime.watch.handler(({ signal }) => runtimes.watch(signal)),
      search: os.runtime.search.handler(async () => {
        await runtimes.search();
        return {};
      }),
      add: os.runtime.add.handler(async ({ input }) => ({ archiveId: await runtimes.add(handles.pathOf(input.handle, "read")) })),
      install: os.runtime.install.handler(async ({ input }) => {
        await runtimes.install(input.archiveId);
        return {};
      }),
      installFrom: os.runtime.installFrom.handler(async ({ input }) => {
        await runtimes.installFrom(input.address);
        return {};
      }),
      cancel: os.runtime.cancel.handler(() => {
        runtimes.cancel();
        return {};
      }),
      goBack: os.runtime.goBack.handler(async () => {
        await runtimes.goBack();
        return {};
      }),
      verify: os.runtime.verify.handler(async () => {
        await runtimes.verify();
        return {};
      }),
    },
    hardware: {
      watch: os.hardware.watch.handler(({ signal }) => hardware.watch(signal)),
      loadHistory: os.hardware.loadHistory.handler(() => jobs.loadHistory()),
    },
    settings: {
      get: os.settings.get.handler(() => settings.get()),
      change: os.settings.change.handler(({ input }) => settings.change(input)),
      watch: os.settings.watch.handler(({ signal }) => settings.watch(signal)),
    },
    projects: {
      list: os.projects.list.handler(() => projects.list()),
      examples: os.projects.examples.handler(async () => [...(await examples.list())]),
      create: os.projects.create.handler(async ({ input }) => ({ projectId: await projects.create(input.name, input.example, input.trackName) })),
      open: os.projects.open.handler(async ({ input }) => {
        const id = input.kind === "id" ? input.projectId : await projects.find(handles.pathOf(input.handle, "read"));
        const opened = await projects.open(id);
        return { ...opened, outputs: await work.outputsOf(opened.folder) };
      }),
      save: os.projects.save.handler(async ({ input }) => ({ revision: await projects.save(input.projectId, input.baseRevision, input.windowId, input.document) })),
      flush: os.projects.flush.handler(async ({ input }) => ({ revision: await projects.flush(input.projectId) })),
      watch: os.projects.watch.handler(async ({ input, signal, lastEventId }) => withIds(await projects.watch(input.projectId, { signal, lastEventId }))),
      rename: os.projects.rename.handler(async ({ input }) => {
        await projects.rename(input.projectId, input.name);
        return {};
      }),
      duplicate: os.projects.duplicate.handler(async ({ input }) => ({ projectId: await projects.duplicate(input.projectId) })),
      remove: os.projects.remove.handler(async ({ input }) => {
        await projects.remove(input.projectId);
        return {};
      }),
      restore: os.projects.restore.handler(async ({ input }) => {
        await projects.restore(input.projectId);
        return {};
      }),
      collect: os.projects.collect.handler(({ input }) => collect(input.projectId, input.target)),
      renders: os.projects.renders.handler(({ input }) => work.renders(input.projectId)),
      removeUnusedRenders: os.projects.removeUnusedRenders.handler(({ input }) => work.removeUnusedRenders(input.projectId)),
      reveal: os.projects.reveal.handler(async ({ input }) => show((await projects.state(input.projectId)).folder)),
    },
    media: {
      import: os.media.import.handler(async ({ input }) => {
        const source = await sourceOf(input.source);
        const media = await projects.importMedia(input.projectId, source);
        await source.used();
        return { media };
      }),
      locate: os.media.locate.handler(async ({ input }) => {
        const source = await sourceOf(input.source);
        const media = await projects.locateMedia(input.projectId, input.mediaId, source, input.force);
        await source.used();
        return { media };
      }),
      check: os.media.check.handler(async ({ input }) => {
        const { document } = await projects.state(input.projectId);
        const path = await projects.mediaPath(input.projectId, input.mediaId);
        const media = document.media.find((one) => one.id === input.mediaId);
        if (media === undefined) throw new Error("A file with a path is in the document.");
        // Captions were read whole when they were imported: there is nothing more to say.
        if (media.kind === "captions") return { findings: [], crop: null, faces: [], videoSize: null };
        return checks.file({ kind: media.kind, path, sha256: media.sha256 }, document.settings[input.quality]);
      }),
      checkPrompt: os.media.checkPrompt.handler(({ input }) => checks.prompt(input.text)),
    },
    render: {
      estimate: os.render.estimate.handler(({ input }) => work.estimate(input.projectId, input.quality, input.scope)),
      presets: os.render.presets.handler(({ input }) => work.presets(input.projectId)),
    },
    jobs: {
      watch: os.jobs.watch.handler(({ signal }) => jobs.watch(signal)),
      render: os.jobs.render.handler(async ({ input }) => ({ jobId: await jobs.render(input.projectId, input.quality, input.scope) })),
      export: os.jobs.export.handler(async ({ input }) => ({
        jobId: await jobs.export(input.projectId, input.quality, input.request, input.target.kind === "handle" ? { kind: "path", path: handles.pathOf(input.target.handle, "write") } : input.target),
      })),
      pause: os.jobs.pause.handler(({ input }) => {
        jobs.pause(input.jobId);
        return {};
      }),
      resume: os.jobs.resume.handler(({ input }) => {
        jobs.resume(input.jobId);
        return {};
      }),
      cancel: os.jobs.cancel.handler(({ input }) => {
        jobs.cancel(input.jobId);
        return {};
      }),
      retry: os.jobs.retry.handler(async ({ input }) => {
        await jobs.retry(input.jobId);
        return {};
      }),
      forget: os.jobs.forget.handler(async ({ input }) => {
        await jobs.forget(input.jobId);
        return {};
      }),
      move: os.jobs.move.handler(({ input }) => {
        jobs.move(input.jobId, input.position);
        return {};
      }),
      document: os.jobs.document.handler(async ({ input }) => ({ document: await jobs.document(input.jobId) })),
      log: os.jobs.log.handler(async ({ input }) => ({ text: await jobs.log(input.jobId) })),
      reveal: os.jobs.reveal.handler(({ input }) => show(jobs.result(input.jobId).path)),
      resultUrl: os.jobs.resultUrl.handler(async ({ input }) => {
        const { path, fileName, captionsPath } = jobs.result(input.jobId);
        const captions = captionsPath !== null && (await exists(captionsPath)) ? downloads.offer({ path: captionsPath, name: basename(captionsPath), remove: false }) : null;
        return { url: downloads.offer({ path, name: basename(fileName), remove: false }), captionsUrl: captions };
      }),
    },
    models: {
      list: os.models.list.handler(() => models.list()),
      watch: os.models.watch.handler(({ signal }) => models.watch(signal)),
      verify: os.models.verify.handler(async ({ input }) => {
        await models.verify(input.modelId);
        return {};
      }),
      addFolder: os.models.addFolder.handler(async ({ input }) => {
        await models.addFolder(handles.pathOf(input.handle, "read"));
        return {};
      }),
      removeFolder: os.models.removeFolder.handler(async ({ input }) => {
        await models.removeFolder(input.modelId);
        return {};
      }),
      rename: os.models.rename.handler(async ({ input }) => {
        await modelStore.rename(input.modelId, input.name);
        return {};
      }),
      store: os.models.store.handler(() => modelStore.facts()),
      chooseStore: os.models.chooseStore.handler(({ input }) => modelStore.choose(handles.pathOf(input.handle, "read"))),
      source: os.models.source.handler(({ input }) => modelStore.source(handles.pathOf(input.handle, "read"))),
      import: os.models.import.handler(async ({ input }) => {
        await modelStore.importFrom(handles.pathOf(input.handle, "read"), input.how);
        return {};
      }),
      download: os.models.download.handler(async () => {
        await modelStore.download();
        return {};
      }),
      mending: os.models.mending.handler(({ input }) => modelStore.mending(input.modelId)),
      mend: os.models.mend.handler(async ({ input }) => {
        await modelStore.mend(input.modelId, input.ownFolder);
        return {};
      }),
      pause: os.models.pause.handler(async ({ input }) => {
        await modelStore.pause(input.modelId);
        return {};
      }),
      resume: os.models.resume.handler(async ({ input }) => {
        await modelStore.resume(input.modelId);
        return {};
      }),
      leave: os.models.leave.handler(async ({ input }) => {
        await modelStore.leave(input.modelId);
        return {};
      }),
      removal: os.models.removal.handler(({ input }) => modelStore.removal(input.modelId)),
      remove: os.models.remove.handler(({ input }) => modelStore.remove(input.modelId)),
      abilities: os.models.abilities.handler(({ input }) => work.abilities(input.modelId)),
    },
    diagnostics: {
      report: os.diagnostics.report.handler(async ({ input }) => ({ text: await diagnostics.report(input) })),
      troubles: os.diagnostics.troubles.handler(() => diagnostics.troubles()),
      help: os.diagnostics.help.handler(async ({ input }) => ({ text: await diagnostics.help(input.action, input.jobId) })),
    },
  });
}

/** With its id on each event, a page that was cut off goes on after the last one it has seen. */
async function* withIds<E extends object>(events: AsyncGenerator<NumberedEvent<E>, void, undefined>): AsyncGenerator<E, void, undefined> {
  for await (const { id, event } of events) yield withEventMeta({ ...event }, { id });
}

const notAtThisMachine = new FaultError({ code: "NOT_AT_THIS_MACHINE", what: "The folder cannot be shown.", why: "The studio runs on another machine than the browser.", hint: "Download the file instead." });
