/**
 * The thread of the log's end of a lane: asks it, commits what it drafts, tells it what is durable, and opens it anew from
 * the log when its thread is lost or a commit has failed. What was asked and not answered by then fails; nothing that was
 * answered is lost.
 */
import { Worker } from 'node:worker_threads';
import { asSluiceError, type Clock, type Limits, type Logger, SluiceError } from '#kernel';
import type { Log, Partition } from '#log';
import type { Command } from '../engine/commands.ts';
import type { Ended } from '../engine/draft.ts';
import type { Reply } from '../engine/engine.ts';
import { stateSpace } from '../engine/ledger.ts';
import { BUS_GROUP, Commits } from './commits.ts';
import { Feed, recentEvents } from './feed.ts';
import type { Answer, Definition, FromLane, LaneSetup, OpenQuery, OpenRow, ToLane } from './protocol.ts';

const ENTRY = new URL('./entry.js', import.meta.url);
const REOPEN_MS = 250;
const MIB = 1024 * 1024;
/** Beside the state itself. */
const HEAP_MIB = 1_024;

export interface LaneThreadOptions {
  readonly partition: number;
  readonly log: Log;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: Partition;
  readonly ended: Partition;
  readonly bus: Partition;
  /** Definitions that new runs get, and those of the versions that are asked for. */
  definitions(uses: readonly (readonly [name: string, version: number])[]): readonly Definition[];
  secrets(): Readonly<Record<string, string>>;
  topics(): readonly string[];
  onEnded(ended: Ended): void;
  onCommitted(steps: number): void;
}

interface Asked {
  resolve(answer: Answer): void;
  reject(error: SluiceError): void;
}

export class LaneThread {
  readonly #options: LaneThreadOptions;
  #worker: Worker | undefined;
  #commits: Commits | undefined;
  #feed: Feed | undefined;
  #asked = new Map<number, Asked>();
  #batch: [number, Command][] = [];
  #nextRequest = 1;
  #isReady = false;
  #whenReady: (() => void)[] = [];
  #closed = false;
  /** Open runs, and effects under way or waiting, as last told. */
  open = 0;
  effects = 0;
  /** Starts that are not answered. */
  startsPending = 0;

  constructor(options: LaneThreadOptions) {
    this.#options = options;
    this.#open();
  }

  /** Resolves when it has taken over what is stored. @throws SHUTTING_DOWN */
  async ready(): Promise<void> {
    if (!this.#isReady && !this.#closed) await new Promise<void>((resolve) => this.#whenReady.push(resolve));
    if (this.#closed) throw new SluiceError('SHUTTING_DOWN', 'the server is shutting down');
  }

  #open(): void {
    const { partition, log, limits, clock, events, ended, bus } = this.#options;
    const workerData: LaneSetup = { partition, reader: log.readerSource, limits };
    const maxOldGenerationSizeMb = HEAP_MIB + Math.ceil((2 * limits.workflowStateBytesMax) / MIB);
    const worker = new Worker(ENTRY, {
      workerData,
      name: `workflow ${partition}`,
      resourceLimits: { maxOldGenerationSizeMb },
    });
    this.#worker = worker;
    const commits = new Commits({
      log,
      limits,
      events,
      ended,
      bus,
      now: () => clock.now(),
      committed: (turns) => this.#tell({ kind: 'committed', turns }),
      failed: (error) => this.#lost(worker, error),
    });
    this.#commits = commits;
    worker.on('message', (message: FromLane) => {
      if (this.#worker !== worker) return;
      if (message.kind === 'turn') this.#turn(message, commits);
      else this.#begin(message);
    });
    worker.on('error', (error) => this.#lost(worker, error));
    worker.on('exit', () =>
      this.#lost(worker, new SluiceError('NOT_READY', 'the thread of the workflow engine ended')),
    );
    log.stateExtent(stateSpace(partition)).then(
      (state) => this.#tell({ kind: 'load', state }),
      (error: unknown) => this.#lost(worker, error),
    );
  }

  #begin({ uses, open }: FromLane & { kind: 'loaded' }): void {
    const { events, ended, bus, log, limits, logger } = this.#options;
    this.open = open;
    this.#tell({ kind: 'define', definitions: this.#options.definitions(uses) });
    this.#tell({ kind: 'topics', names: this.#options.topics() });
    this.#tell({ kind: 'secrets', values: this.#options.secrets() });
    const busNext = log.committedOffset(BUS_GROUP, bus.topic.name, bus.index) ?? bus.start;
    const recent = recentEvents(bus, busNext, limits.workflowRecentEventsMax, logger);
    this.#tell({ kind: 'begin', eventsNext: events.tail, endedNext: ended.tail, busNext, recent });
    this.#feed = new Feed(bus, busNext, logger, (some) => this.#tell({ kind: 'events', events: some }));
    this.#isReady = true;
    for (const resolve of this.#whenReady.splice(0)) resolve();
  }

  #turn({ draft, answers, open, waiting }: FromLane & { kind: 'turn' }, commits: Commits): void {
    this.open = open;
    this.effects = waiting;
    const durable = draft === null ? commits.settled() : commits.add(draft);
    void durable.then(() => {
      for (const [request, answer] of answers) {
        const asked = this.#asked.get(request);
        this.#asked.delete(request);
        asked?.resolve(answer);
      }
      if (draft === null) return;
      if (draft.heard !== null) this.#feed?.heard(draft.heard);
      this.#options.onCommitted(draft.steps);
      for (const one of draft.ends) this.#options.onEnded(one);
    });
  }

  /** Starts over from what is stored. */
  #lost(worker: Worker, error: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    this.#isReady = false;
    this.#feed?.close();
    void worker.terminate();
    const failed = asSluiceError(error);
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    this.#batch = [];
    for (const { reject } of asked) reject(failed);
    if (this.#closed) return;
    this.#options.logger.error({ err: error, partition: this.#options.partition }, 'the workflow engine starts over');
    // What is on its way may still become durable, and must be seen by whoever reads the state anew.
    void (this.#commits?.close() ?? Promise.resolve()).then(() => {
      setTimeout(() => {
        if (!this.#closed) this.#open();
      }, REOPEN_MS);
    });
  }

  #tell(message: ToLane): void {
    this.#worker?.postMessage(message);
  }

  /** As `tell`, for what the lane need only be told when it is there. */
  inform(message: Extract<ToLane, { kind: 'define' | 'undefine' | 'topics' | 'secrets' }>): void {
    if (this.#isReady) this.#tell(message);
  }

  /** The answer, once what it says is durable. @throws WORKFLOW_BUSY, NOT_READY */
  async ask(command: Command): Promise<Reply> {
    const { limits } = this.#options;
    const isStart = command.type === 'start';
    const most = isStart ? limits.workflowStartsPendingMax : limits.workflowCommandsPendingMax;
    if ((isStart ? this.startsPending : this.#asked.size) >= most) {
      throw new SluiceError('WORKFLOW_BUSY', `${most} requests wait for the workflow engine`);
    }
    if (!this.#isReady) await this.ready();
    if (isStart) this.startsPending++;
    try {
      return (await this.#request((request) => this.#enqueue(request, command))) as Reply;
    } finally {
      if (isStart) this.startsPending--;
    }
  }

  /** Commands of one turn of the event loop travel together. */
  #enqueue(request: number, command: Command): void {
    if (this.#batch.push([request, command]) > 1) return;
    setImmediate(() => {
      const commands = this.#batch;
      this.#batch = [];
      if (commands.length > 0) this.#tell({ kind: 'commands', commands });
    });
  }

  async show(id: string): Promise<Answer> {
    await this.ready();
    return await this.#request((request) => this.#tell({ kind: 'show', request, id }));
  }

  async list(query: OpenQuery): Promise<readonly OpenRow[]> {
    await this.ready();
    const answer = await this.#request((request) => this.#tell({ kind: 'list', request, query }));
    return answer.ok && 'shown' in answer ? (answer.shown as readonly OpenRow[]) : [];
  }

  #request(send: (request: number) => void): Promise<Answer> {
    if (this.#worker === undefined || this.#closed) {
      return Promise.reject(new SluiceError('NOT_READY', 'the workflow engine is not ready'));
    }
    const request = this.#nextRequest++;
    return new Promise((resolve, reject) => {
      this.#asked.set(request, { resolve, reject });
      send(request);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#feed?.close();
    for (const resolve of this.#whenReady.splice(0)) resolve();
    const worker = this.#worker;
    await this.#commits?.settled().catch(() => undefined);
    this.#worker = undefined;
    for (const { reject } of this.#asked.values())
      reject(new SluiceError('SHUTTING_DOWN', 'the server is shutting down'));
    this.#asked.clear();
    await this.#commits?.close();
    await worker?.terminate();
  }
}
