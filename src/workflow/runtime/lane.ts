/**
 * One partition of the engine at work, on a thread of its own: takes commands in turns, hands each turn's draft to the thread
 * of the log, and has effects done once that says it is durable.
 *
 *   commands ─▶ turn ─▶ draft ─────────▶ thread of the log: one commit for all drafts that wait
 *      ▲                                        │
 *      └── results ◀── effects ◀── committed ◀──┘
 *
 * At most so many turns are ahead of the log; what comes meanwhile waits, and makes the next turn the larger. Results and
 * other commands go before starts.
 */
import type { Clock, Limits } from '#kernel';
import { asBuffer } from '#log';
import type { EffectRunner } from '../effects/runner.ts';
import type { Result } from '../engine/behaviour.ts';
import type { BusEvent } from '../engine/bus.ts';
import type { Command } from '../engine/commands.ts';
import type { EffectId, EffectRequest } from '../engine/effect.ts';
import { Engine } from '../engine/engine.ts';
import { Fault, problem } from '../engine/fault.ts';
import { parseInstance, summaryOf } from '../engine/instances.ts';
import type { CompileBody, PlanParts } from '../engine/plan.ts';
import { Plans } from '../engine/plans.ts';
import type { NextCron } from '../engine/schedules.ts';
import { behaviourOf } from '../tasks/index.ts';
import { effectRequest } from './effect-request.ts';
import type { Answer, FromLane, OpenQuery, OpenRow, ToLane } from './protocol.ts';
import { RunIds } from './run-ids.ts';

/** How long one turn may take, about. */
const TURN_MS = 5;
const TURN_BYTES = 2 * 1024 * 1024;
/** Of one turn, so that neither timers nor what instances owe each other keeps commands waiting. */
const FIRED_MAX = 500;
const SETTLED_MAX = 500;
/** Turns the log has not said to be durable. */
const AHEAD_MAX = 3;
/** The longest it sleeps: the clock may be set meanwhile. */
const SLEEP_MS_MAX = 250;

export interface LaneOptions {
  readonly partition: number;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly parts: Omit<PlanParts, 'bodyOf'>;
  readonly nextCron: NextCron;
  post(message: FromLane, transfer: ArrayBuffer[]): void;
  /** @param lane what the runner calls back */
  effects(lane: {
    request(id: EffectId): EffectRequest | undefined;
    done(id: EffectId, result: Result): void;
  }): EffectRunner;
}

type Asked = readonly [request: number | null, command: Command];

export class Lane {
  readonly #options: LaneOptions;
  readonly #engine: Engine;
  readonly #effects: EffectRunner;
  readonly #ids: RunIds;
  #topics = new Set<string>();
  #secrets: Readonly<Record<string, string>> = {};
  #begun = false;
  #starts: Asked[] = [];
  #others: Asked[] = [];
  #events: BusEvent[] = [];
  #answers: [number, Answer][] = [];
  /** Of each turn that is not durable: what is to be done then. */
  #ahead: { readonly effects: readonly EffectId[]; readonly aborted: readonly EffectId[] }[] = [];
  /** Instances that go on later, with when. */
  #resting: { readonly id: string; readonly at: number }[] = [];
  #scheduled = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LaneOptions) {
    const { partition, limits, clock, parts } = options;
    this.#options = options;
    const plans = new Plans({ ...parts, bodyOf: (kind): CompileBody => behaviourOf(kind).compile });
    this.#ids = new RunIds(clock, partition);
    this.#engine = new Engine({
      partition,
      plans,
      behaviour: behaviourOf,
      limits: {
        stepsMax: limits.workflowStepsMax,
        stepsAtOnceMax: limits.workflowStepsAtOnceMax,
        eventCharsMax: limits.workflowEventCharsMax,
        keptEventsMax: limits.workflowKeptEventsMax,
        liveMax: limits.workflowLiveMax,
        openMax: limits.workflowOpenMax,
        stateCharsMax: limits.workflowStateBytesMax,
        keysMax: limits.workflowStartKeysMax,
        keyMs: limits.workflowStartKeyMs,
        recentEventsMax: limits.workflowRecentEventsMax,
      },
      random: Math.random,
      newId: () => this.#ids.next(),
      hasTopic: (name) => this.#topics.has(name),
      nextCron: options.nextCron,
    });
    this.#effects = options.effects({
      request: (id) => effectRequest(this.#engine, id, (name) => this.#secret(name)),
      done: ({ instance, frame, attempt }, result) => {
        this.#others.push([null, { type: 'result', id: instance, frame, attempt, result }]);
        this.#soon();
      },
    });
  }

  /** Takes over what is stored, before `begin`. */
  load(entries: Iterable<readonly [key: string, value: Uint8Array]>): void {
    for (const [key, value] of entries) this.#engine.load(key, asBuffer(value).toString('latin1'));
    const uses = new Map<string, readonly [string, number]>();
    for (const { text } of this.#engine.instances.values()) {
      const { workflow, version } = summaryOf(text);
      uses.set(`${workflow}@${version}`, [workflow, version]);
    }
    this.#options.post({ kind: 'loaded', uses: [...uses.values()], open: this.#engine.instances.size }, []);
  }

  receive(message: Exclude<ToLane, { kind: 'load' }>): void {
    switch (message.kind) {
      case 'begin':
        this.#begun = true;
        this.#effects.add(this.#engine.loaded(message.eventsNext, message.endedNext, message.busNext, message.recent));
        this.#soon();
        return;
      case 'define':
        for (const { name, version, document, current } of message.definitions) {
          this.#engine.define(name, version, document, current, this.#options.clock.now());
        }
        return;
      case 'undefine':
        this.#engine.undefine(message.name);
        return;
      case 'topics':
        this.#topics = new Set(message.names);
        return;
      case 'secrets':
        this.#secrets = message.values;
        return;
      case 'commands':
        for (const asked of message.commands) (asked[1].type === 'start' ? this.#starts : this.#others).push(asked);
        this.#soon();
        return;
      case 'events':
        this.#events.push(...message.events);
        this.#soon();
        return;
      case 'committed':
        this.#committed(message.turns);
        return;
      case 'show':
        this.#answers.push([message.request, this.#show(message.id)]);
        this.#soon();
        return;
      case 'list':
        this.#answers.push([message.request, { ok: true, shown: this.#list(message.query) }]);
        this.#soon();
        return;
    }
  }

  #committed(turns: number): void {
    for (const { aborted, effects } of this.#ahead.splice(0, turns)) {
      for (const id of aborted) this.#effects.abort(id);
      this.#effects.add(effects);
    }
    this.#soon();
  }

  #secret(name: string): unknown {
    const text = this.#secrets[name];
    if (text === undefined)
      throw new Fault(problem('authorization', 403, `there is no secret ${name} for this workflow`));
    return text.startsWith('{') ? parsed(text) : text;
  }

  #soon(): void {
    if (this.#scheduled || !this.#begun) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#turn();
    });
  }

  #turn(): void {
    clearTimeout(this.#timer);
    if (this.#ahead.length >= AHEAD_MAX) return;
    const { clock } = this.#options;
    const engine = this.#engine;
    const endsAt = clock.monotonic() + TURN_MS;
    const now = clock.now();
    let more = engine.fire(now, FIRED_MAX);
    for (let settled = 0; settled < SETTLED_MAX && engine.settle(now); settled++);
    this.#resume(now);
    for (const one of this.#events.splice(0)) engine.hear(one, now);
    more = this.#take(this.#others, endsAt, now) || more;
    more = this.#take(this.#starts, endsAt, now) || more;
    for (const id of engine.unfinished.splice(0)) this.#resting.push({ id, at: now + this.#restMs });
    this.#tell();
    if (more || engine.owed > 0) this.#soon();
    else this.#sleep(now);
  }

  /** An instance that has taken so many steps at once waits as long as they may take. */
  get #restMs(): number {
    const { workflowStepsAtOnceMax, workflowStepsPerSecondMax } = this.#options.limits;
    return (workflowStepsAtOnceMax * 1000) / workflowStepsPerSecondMax;
  }

  #resume(now: number): void {
    const resting = this.#resting;
    let count = 0;
    while (count < resting.length && (resting[count] as { at: number }).at <= now) count++;
    for (const { id } of resting.splice(0, count)) this.#engine.handle({ type: 'continue', id }, now);
  }

  /** True: some are left. */
  #take(queue: Asked[], endsAt: number, now: number): boolean {
    const { clock } = this.#options;
    let at = 0;
    while (
      at < queue.length &&
      this.#engine.draftBytes < TURN_BYTES &&
      ((at & 15) !== 15 || clock.monotonic() < endsAt)
    ) {
      const [request, command] = queue[at++] as Asked;
      const answer = this.#engine.handle(command, now);
      if (request !== null) this.#answers.push([request, answer]);
    }
    queue.splice(0, at);
    return queue.length > 0;
  }

  #tell(): void {
    const draft = this.#engine.take();
    if (draft === null && this.#answers.length === 0) return;
    const answers = this.#answers;
    this.#answers = [];
    const open = this.#engine.instances.size;
    const waiting = this.#effects.waiting + this.#effects.underWay;
    if (draft === null) {
      this.#options.post({ kind: 'turn', draft: null, answers, open, waiting }, []);
      return;
    }
    const { effects, aborted, ...rest } = draft;
    this.#ahead.push({ effects, aborted });
    const buffers = [...rest.events, ...rest.ended, ...rest.blocks.map(({ block }) => block)];
    this.#options.post(
      { kind: 'turn', draft: rest, answers, open, waiting },
      buffers.map(({ buffer }) => buffer as ArrayBuffer),
    );
  }

  #sleep(now: number): void {
    const next = Math.min(this.#engine.nextDue, this.#resting[0]?.at ?? Number.POSITIVE_INFINITY);
    if (next === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => this.#soon(), Math.min(Math.max(next - now, 0), SLEEP_MS_MAX));
  }

  #show(id: string): Answer {
    const entry = this.#engine.instances.find(id);
    if (entry === undefined)
      return { ok: false, code: 'EXECUTION_UNKNOWN', message: `there is no open execution ${id}` };
    const instance = entry.live ?? parseInstance(entry.text);
    return { ok: true, shown: { ...instance, frames: [...instance.frames.values()] } };
  }

  #list({ workflow, status, since, until, before, labels, limit }: OpenQuery): OpenRow[] {
    const wanted = Object.entries(labels);
    const rows: OpenRow[] = [];
    for (const entry of this.#engine.instances.values()) {
      const live = entry.live;
      const row = live ?? summaryOf(entry.text);
      if (workflow !== null && row.workflow !== workflow) continue;
      if (status !== null && row.status !== status) continue;
      if (row.startedAt < since || row.startedAt > until || (before !== null && entry.id >= before)) continue;
      if (wanted.length > 0) {
        const has = (live ?? parseInstance(entry.text)).labels;
        if (!wanted.every(([name, value]) => has?.[name] === value)) continue;
      }
      const { version, startedAt } = row;
      rows.push({ id: entry.id, workflow: row.workflow, version, status: row.status, startedAt });
      if (rows.length > 2 * limit) keepNewest(rows, limit);
    }
    keepNewest(rows, limit);
    return rows;
  }

  close(): void {
    this.#begun = false;
    clearTimeout(this.#timer);
    this.#effects.close();
  }
}

/** A secret of several fields is an object, any other is text. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** Ids are in the order of time. */
function keepNewest(rows: OpenRow[], limit: number): void {
  rows.sort((a, b) => (a.id < b.id ? 1 : -1));
  rows.length = Math.min(rows.length, limit);
}
