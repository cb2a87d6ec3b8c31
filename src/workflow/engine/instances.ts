/**
 * All open instances of one partition: the text of each as it is stored, and the few that were used last also as objects. So
 * a million that wait cost their text and a timer, and those that are at work cost no parsing.
 *
 *   text:  due : flags : status : version : startedAt : workflow { … JSON, ASCII only … }
 *
 * What stands before the JSON is all that is asked of instances that nobody touches.
 */
import { restore, store } from './apply.ts';
import { asciiOf } from './ascii.ts';
import type { StoredInstance } from './events.ts';
import { dueAt, type Instance } from './model.ts';

const HAS_EFFECTS = 'e';
const IS_READY = 'r';
const LISTENS = 'l';
const IN_TIME = Number.POSITIVE_INFINITY;
const RADIX = 36;

/** What the head of a text says. */
export interface Summary {
  readonly due: number;
  readonly hasEffects: boolean;
  readonly isReady: boolean;
  readonly listens: boolean;
  readonly status: string;
  readonly version: number;
  readonly startedAt: number;
  readonly workflow: string;
}

export class Entry {
  readonly id: string;
  text: string;
  live: Instance | null;
  due = IN_TIME;
  /** Changed since it was last written. */
  dirty = false;

  constructor(id: string, text: string, live: Instance | null) {
    this.id = id;
    this.text = text;
    this.live = live;
  }
}

export class Instances {
  readonly #entries = new Map<string, Entry>();
  readonly #liveMax: number;
  #live: Entry[] = [];
  #oldest = 0;
  /** Of texts, about. */
  chars = 0;

  constructor(liveMax: number) {
    this.#liveMax = liveMax;
  }

  get size(): number {
    return this.#entries.size;
  }

  find(id: string): Entry | undefined {
    return this.#entries.get(id);
  }

  values(): Iterable<Entry> {
    return this.#entries.values();
  }

  /** As it was stored. */
  load(id: string, text: string): Entry {
    const entry = new Entry(id, text, null);
    entry.due = summaryOf(text).due;
    this.#entries.set(id, entry);
    this.chars += text.length;
    return entry;
  }

  add(instance: Instance): Entry {
    const entry = new Entry(instance.id, '', instance);
    this.#entries.set(instance.id, entry);
    this.#live.push(entry);
    return entry;
  }

  open(entry: Entry): Instance {
    if (entry.live === null) {
      entry.live = parseInstance(entry.text);
      this.#live.push(entry);
      this.#demote();
    }
    return entry.live;
  }

  /** Brings the text up to date. */
  write(entry: Entry): string {
    const before = entry.text.length;
    entry.text = formatInstance(entry.live as Instance, entry.due);
    entry.dirty = false;
    this.chars += entry.text.length - before;
    this.#demote();
    return entry.text;
  }

  remove(entry: Entry): void {
    this.#entries.delete(entry.id);
    this.chars -= entry.text.length;
    entry.live = null;
    entry.text = '';
  }

  clear(): void {
    this.#entries.clear();
    this.#live = [];
    this.#oldest = 0;
    this.chars = 0;
  }

  /** Lets go of objects that were made long ago; what is not written yet gets in line again. */
  #demote(): void {
    while (this.#live.length - this.#oldest > this.#liveMax) {
      const entry = this.#live[this.#oldest++] as Entry;
      if (entry.dirty) this.#live.push(entry);
      else entry.live = null;
    }
    if (this.#oldest > this.#liveMax) {
      this.#live = this.#live.slice(this.#oldest);
      this.#oldest = 0;
    }
  }
}

/** Whether a frame waits for an effect, and whether there is something to decide. */
function flagsOf(instance: Instance): string {
  let hasEffects = false;
  let isReady = false;
  let listens = false;
  for (const frame of instance.frames.values()) {
    if (frame.waits === 'effect') hasEffects = true;
    if (frame.ready) isReady = true;
    if (frame.waits === 'event') listens = true;
  }
  return (hasEffects ? HAS_EFFECTS : '') + (isReady ? IS_READY : '') + (listens ? LISTENS : '');
}

function formatInstance(instance: Instance, due: number = dueAt(instance)): string {
  const json = JSON.stringify(store(instance));
  const ascii = asciiOf(json);
  const dueText = due === IN_TIME ? '' : due.toString(RADIX);
  const started = instance.startedAt.toString(RADIX);
  return `${dueText}:${flagsOf(instance)}:${instance.status}:${instance.version}:${started}:${instance.workflow}${ascii}`;
}

export function parseInstance(text: string): Instance {
  return restore(JSON.parse(text.slice(text.indexOf('{'))) as StoredInstance);
}

export function summaryOf(text: string): Summary {
  const [due, flags, status, version, startedAt, workflow] = text.slice(0, text.indexOf('{')).split(':');
  return {
    due: due === '' ? IN_TIME : Number.parseInt(due as string, RADIX),
    hasEffects: (flags as string).includes(HAS_EFFECTS),
    isReady: (flags as string).includes(IS_READY),
    listens: (flags as string).includes(LISTENS),
    status: status as string,
    version: Number(version),
    startedAt: Number.parseInt(startedAt as string, RADIX),
    workflow: workflow as string,
  };
}
