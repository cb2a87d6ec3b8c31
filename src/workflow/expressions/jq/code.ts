/**
 * What a program is compiled to: closures in up to three forms. Values come out of a program by calling `out`, so that what
 * follows it runs inside it, as jq's backtracking has it; `one` is the short way of those that always give exactly one.
 */
import type { Json } from './values.ts';

/** What variables, parameters and labels stand for, innermost first. */
export interface Frame {
  readonly value: unknown;
  readonly up: Frame | undefined;
}

export type Frames = Frame | undefined;
export type Path = readonly Json[];
export type One = (input: Json, frames: Frames) => Json;
export type Many = (input: Json, frames: Frames, out: (value: Json) => void) => void;
/** As `Many`, with where each value is in what the path started from. */
export type Paths = (input: Json, path: Path, frames: Frames, out: (value: Json, path: Path) => void) => void;

export interface Code {
  readonly one: One | undefined;
  readonly many: Many;
  /** Undefined for programs that make values instead of finding them. */
  readonly paths: Paths | undefined;
}

/** The program, or something in it, is left to the library. */
export class Unsupported extends Error {}

export function single(one: One, paths?: Paths): Code {
  return { one, many: (input, frames, out) => out(one(input, frames)), paths };
}

export function several(many: Many, paths?: Paths): Code {
  return { one: undefined, many, paths };
}

export function needPaths(code: Code): Paths {
  if (code.paths === undefined) throw new Unsupported('a path through a value that is made');
  return code.paths;
}

/** All that it gives. */
export function collect(code: Code, input: Json, frames: Frames): Json[] {
  if (code.one !== undefined) return [code.one(input, frames)];
  const values: Json[] = [];
  code.many(input, frames, (value) => {
    values.push(value);
  });
  return values;
}

export const NOTHING: Code = several(
  () => {},
  () => {},
);
