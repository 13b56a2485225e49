import { assertNever } from "../../contract/assert-never.ts";
import type { CheckedAudio, CheckedImage, EngineEvent, EngineFinding, EngineFinished, EngineHeartbeat, EngineHello, EngineMessage, EnginePlan, LoadedModel } from "../../contract/engine-messages.schema.ts";
import type { EngineJob, EngineRequest, ModelChoice } from "../../contract/engine-requests.schema.ts";
import type { Fault } from "../../contract/fault.schema.ts";
import { FaultError } from "../common/fault-error.ts";
import { readEngineLine } from "./engine-line.ts";
import { JobStream } from "./job-stream.ts";

/** Answers to these come at once, whatever else the worker does; a plan may have to read a long recording's header. */
const ANSWER_MILLISECONDS = 120_000;

/** What a render tells: its events, then how it ended. Failures come as errors of the iteration. */
export type RenderUpdate =
  | { readonly kind: "event"; readonly event: EngineEvent }
  | { readonly kind: "finished"; readonly result: EngineFinished }
  | { readonly kind: "cancelled"; readonly clipsOnDisk: number };

/** A request before it has its id. */
type Question<Request = EngineRequest> = Request extends EngineRequest ? Omit<Request, "request_id"> : never;

export type ClientEvent =
  | { readonly kind: "hello"; readonly hello: EngineHello }
  | { readonly kind: "heartbeat"; readonly heartbeat: EngineHeartbeat }
  /** Any other message; `clip`: it tells of one that was made just now. */
  | { readonly kind: "heard"; readonly clip: boolean }
  /** In place of a hello: the engine cannot work on this machine. */
  | { readonly kind: "unusable"; readonly fault: Fault };

export interface ClientDependencies {
  /** Send one line to the worker. Lines to a worker that is gone are lost, as its end is told by `close`. */
  readonly send: (line: string) => void;
  readonly onEvent: (event: ClientEvent) => void;
  readonly log: (text: string) => void;
}

type Waiting = {
  readonly type: string;
  readonly settle: (message: EngineMessage) => void;
  readonly refuse: (fault: Fault) => void;
  readonly onProgress: ((event: EngineEvent) => void) | undefined;
};

/** The conversation with one worker process. */
export class EngineClient {
  readonly #dependencies: ClientDependencies;
  readonly #waiting = new Map<string, Waiting>();
  readonly #renders = new Map<string, JobStream<RenderUpdate>>();
  #lastId = 0;
  #hello: EngineHello | null = null;
  #closed: Fault | null = null;
  /** Resolves when the worker is gone. */
  readonly ended: Promise<void>;
  #end: () => void = () => undefined;

  constructor(dependencies: ClientDependencies) {
    this.#dependencies = dependencies;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  get hello(): EngineHello | null {
    return this.#hello;
  }

  /** Why the worker ended; null while it runs. */
  get closed(): Fault | null {
    return this.#closed;
  }

  /** Take one line of the worker's output. */
  receive(line: string): void {
    const read = readEngineLine(line);
    switch (read.kind) {
      case "message":
        this.#take(read.message);
        return;
      case "unknown":
        this.#dependencies.onEvent({ kind: "heard", clip: false });
        return;
      case "bad":
        this.#dependencies.log(`A line of the engine was passed over: ${read.reason}: ${line.slice(0, 300)}`);
        if (read.requestId !== null) this.#fail(read.requestId, unreadableAnswer(read.reason));
    }
  }

  /** The worker is gone: everything under way fails with `fault`, and so does what is asked from now on. */
  close(fault: Fault): void {
    this.#closed ??= fault;
    for (const waiting of this.#waiting.values()) waiting.refuse(fault);
    for (const render of this.#renders.values()) render.end(fault);
    this.#waiting.clear();
    this.#renders.clear();
    this.#end();
  }

  /**
   * Have these weights in memory.
   * @throws FaultError what the engine says, or that it is gone.
   */
  async load(choice: ModelChoice, onProgress: (event: EngineEvent) => void): Promise<LoadedModel> {
    const answer = await this.#ask({ type: "load", ...choice }, { onProgress, patient: true });
    if (answer.type !== "loaded") throw unexpected(answer);
    return answer.model;
  }

  /** What a render would be and cost. Answers also while a job runs. */
  async plan(choice: ModelChoice, job: EngineJob): Promise<EnginePlan> {
    const answer = await this.#ask({ type: "plan", ...choice, job });
    if (answer.type !== "planned") throw unexpected(answer);
    return answer.plan;
  }

  /** What a render of the job would keep of its folder, for these weights or those in memory. */
  async compare(choice: ModelChoice | null, job: EngineJob): Promise<Extract<EngineMessage, { type: "compared" }>> {
    const answer = await this.#ask({ type: "compare", ...choice, job });
    if (answer.type !== "compared") throw unexpected(answer);
    return answer;
  }

  /** Judge a portrait for a video of this size. Checks answer also while a job runs. */
  async checkImage(path: string, size: { readonly width: number; readonly height: number }): Promise<CheckedImage> {
    const answer = await this.#ask({ type: "check_image", path, size });
    if (answer.type !== "image_checked") throw unexpected(answer);
    return answer.image;
  }

  async checkAudio(path: string): Promise<CheckedAudio> {
    const answer = await this.#ask({ type: "check_audio", path });
    if (answer.type !== "audio_checked") throw unexpected(answer);
    return answer.audio;
  }

  async checkPrompt(text: string): Promise<readonly EngineFinding[]> {
    const answer = await this.#ask({ type: "check_prompt", text });
    if (answer.type !== "prompt_checked") throw unexpected(answer);
    return answer.findings;
  }

  /** What runs in the worker, in its own words. */
  async status(): Promise<Extract<EngineMessage, { type: "status" }>> {
    const answer = await this.#ask({ type: "status" });
    if (answer.type !== "status") throw unexpected(answer);
    return answer;
  }

  /**
   * Render with the loaded weights. The iteration ends after `finished` or `cancelled`.
   * @throws FaultError when the worker refuses the job, the job fails, or the worker ends.
   */
  async *render(jobId: string, job: EngineJob): AsyncGenerator<RenderUpdate, void> {
    const requestId = this.#newId();
    const stream = new JobStream<RenderUpdate>();
    this.#renders.set(requestId, stream);
    try {
      await this.#ask({ type: "render", job_id: jobId, job }, { requestId });
      yield* stream;
    } finally {
      // Whoever stops listening early must not leave the worker busy for the next job.
      if (!stream.ended) await this.#abandon(jobId, stream);
      this.#renders.delete(requestId);
    }
  }

  /** Stop a render within one block. False when it has ended already. */
  async cancel(jobId: string): Promise<boolean> {
    try {
      await this.#ask({ type: "cancel", job_id: jobId });
      return true;
    } catch (error) {
      if (error instanceof FaultError && error.fault.code === "JOB_NOT_RUNNING") return false;
      throw error;
    }
  }

  /** Ask the worker to end; it stops what runs and keeps its state. */
  shutdown(): void {
    this.#send({ type: "shutdown", request_id: this.#newId() });
  }

  async #abandon(jobId: string, stream: JobStream<RenderUpdate>): Promise<void> {
    try {
      await this.cancel(jobId);
      for await (const _ of stream);
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
    }
  }

  #ask(question: Question, options: { requestId?: string; onProgress?: (event: EngineEvent) => void; patient?: boolean } = {}): Promise<EngineMessage> {
    if (this.#closed !== null) return Promise.reject(new FaultError(this.#closed));
    const requestId = options.requestId ?? this.#newId();
    return new Promise<EngineMessage>((resolve, reject) => {
      const timer = options.patient === true ? undefined : setTimeout(() => this.#fail(requestId, noAnswer(question.type)), ANSWER_MILLISECONDS);
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(requestId);
      };
      this.#waiting.set(requestId, {
        type: question.type,
        settle: (message) => {
          done();
          resolve(message);
        },
        refuse: (fault) => {
          done();
          reject(new FaultError(fault));
        },
        onProgress: options.onProgress,
      });
      this.#send({ ...question, request_id: requestId });
    });
  }

  #send(request: EngineRequest): void {
    const line = JSON.stringify(request);
    const most = this.#hello?.max_line_bytes ?? Number.POSITIVE_INFINITY;
    if (Buffer.byteLength(line) > most) this.#fail(request.request_id, tooLong(most));
    else this.#dependencies.send(line);
  }

  #take(message: EngineMessage): void {
    this.#dependencies.onEvent({ kind: "heard", clip: message.type === "event" && message.event.kind === "clip" && !message.event.reused });
    switch (message.type) {
      case "hello":
        this.#hello = message;
        this.#dependencies.onEvent({ kind: "hello", hello: message });
        return;
      case "heartbeat":
        this.#dependencies.onEvent({ kind: "heartbeat", heartbeat: message });
        return;
      case "event":
        this.#waiting.get(message.request_id)?.onProgress?.(message.event);
        this.#renders.get(message.request_id)?.push({ kind: "event", event: message.event });
        return;
      case "finished":
        this.#endRender(message.request_id, { kind: "finished", result: message });
        return;
      case "cancelled":
        this.#endRender(message.request_id, { kind: "cancelled", clipsOnDisk: message.clips_on_disk });
        return;
      case "failed":
        this.#renders.get(message.request_id)?.end(message.error);
        return;
      case "error":
        if (message.request_id === null && this.#hello === null) this.#dependencies.onEvent({ kind: "unusable", fault: message.error });
        else if (message.request_id === null) this.#dependencies.log(`The engine could not read a request: ${message.error.what} ${message.error.why}`);
        else this.#fail(message.request_id, message.error);
        return;
      case "bye":
        return;
      case "loaded":
      case "planned":
      case "compared":
      case "image_checked":
      case "audio_checked":
      case "prompt_checked":
      case "accepted":
      case "status":
        this.#waiting.get(message.request_id)?.settle(message);
        return;
      default:
        assertNever(message);
    }
  }

  #endRender(requestId: string, update: RenderUpdate): void {
    const stream = this.#renders.get(requestId);
    stream?.push(update);
    stream?.end(null);
  }

  /** Both who waits for the answer and who follows the job hear it. */
  #fail(requestId: string, fault: Fault): void {
    this.#waiting.get(requestId)?.refuse(fault);
    this.#renders.get(requestId)?.end(fault);
  }

  #newId(): string {
    this.#lastId += 1;
    return String(this.#lastId);
  }
}

function unexpected(answer: EngineMessage): FaultError {
  return new FaultError(unreadableAnswer(`"${answer.type}" answers another question`));
}

function unreadableAnswer(reason: string): Fault {
  return { code: "ENGINE_MESSAGE_INVALID", what: "An answer of the engine cannot be understood.", why: `The studio and the engine may be of different versions: ${reason}.`, hint: "Set up the engine again on the set-up page.", field: null };
}

function noAnswer(type: string): Fault {
  return {
    code: "ENGINE_NO_ANSWER",
    what: "The engine did not answer a question.",
    why: `"${type}" had no answer within ${ANSWER_MILLISECONDS / 1000} seconds.`,
    hint: "Try again; if it repeats, restart the engine on the set-up page.",
    field: null,
  };
}

function tooLong(most: number): Fault {
  return { code: "ENGINE_REQUEST_TOO_LONG", what: "The project is too large for one request to the engine.", why: `A request may have ${most} bytes; long or many prompts make it longer.`, hint: "Use fewer or shorter prompts, or cut the video into several portraits.", field: "prompt" };
}
