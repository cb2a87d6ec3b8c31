/** What the thread of the log and the thread of a lane tell each other. Plain data; buffers are handed over. */
import type { Limits } from '#kernel';
import type { ReaderSource, StateExtent } from '#log';
import type { WorkflowDocument } from '../definition/document.ts';
import type { BusEvent } from '../engine/bus.ts';
import type { Command } from '../engine/commands.ts';
import type { Draft } from '../engine/draft.ts';
import type { Reply } from '../engine/engine.ts';

export interface LaneSetup {
  readonly partition: number;
  readonly reader: ReaderSource;
  readonly limits: Limits;
}

export interface Definition {
  readonly name: string;
  readonly version: number;
  readonly document: WorkflowDocument;
  /** New runs get it. */
  readonly current: boolean;
}

/** What of the open runs is asked for. */
export interface OpenQuery {
  readonly workflow: string | null;
  readonly status: string | null;
  readonly since: number;
  readonly until: number;
  /** Only what began before this run did. */
  readonly before: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly limit: number;
}

export interface OpenRow {
  readonly id: string;
  readonly workflow: string;
  readonly version: number;
  readonly status: string;
  readonly startedAt: number;
}

export type ToLane =
  | { readonly kind: 'load'; readonly state: StateExtent }
  | {
      readonly kind: 'begin';
      readonly eventsNext: number;
      readonly endedNext: number;
      /** Where the bus of events goes on, and the latest events before. */
      readonly busNext: number;
      readonly recent: readonly BusEvent[];
    }
  | { readonly kind: 'events'; readonly events: readonly BusEvent[] }
  | { readonly kind: 'define'; readonly definitions: readonly Definition[] }
  | { readonly kind: 'undefine'; readonly name: string }
  | { readonly kind: 'topics'; readonly names: readonly string[] }
  | { readonly kind: 'secrets'; readonly values: Readonly<Record<string, string>> }
  | { readonly kind: 'commands'; readonly commands: readonly (readonly [request: number, command: Command])[] }
  | { readonly kind: 'committed'; readonly turns: number }
  | { readonly kind: 'show'; readonly request: number; readonly id: string }
  | { readonly kind: 'list'; readonly request: number; readonly query: OpenQuery };

export type Answer = Reply | { readonly ok: true; readonly shown: unknown };

export type FromLane =
  | {
      readonly kind: 'loaded';
      readonly uses: readonly (readonly [name: string, version: number])[];
      readonly open: number;
    }
  | {
      readonly kind: 'turn';
      /** Null: nothing is to be committed; the answers wait for what was told before. */
      readonly draft: Omit<Draft, 'effects' | 'aborted'> | null;
      readonly answers: readonly (readonly [request: number, answer: Answer])[];
      readonly open: number;
      readonly waiting: number;
    };
