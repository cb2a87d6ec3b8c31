/** What names mean at a place in a jq program, and how many frames up what they stand for is found. */
import type { Code, Frames } from './code.ts';
import type { Ast } from './syntax.ts';

export interface Binding {
  /** `variable`, `parameter` and `label` have a frame; a `function` has the frames of where it is defined. */
  readonly kind: 'variable' | 'parameter' | 'label' | 'function';
  readonly name: string;
  readonly arity?: number;
  /** Of a function; filled when its body is compiled, which may call it. */
  readonly body?: { code?: Code; readonly values: readonly boolean[] };
}

export interface Found extends Binding {
  /** How many frames there are where it is bound, its own included. */
  readonly level: number;
}

/** What all scopes of one program share. */
export interface Shared {
  /** Variables of nobody: given from outside. */
  readonly free: Set<string>;
  compile(ast: Ast, scope: Scope): Code;
}

export class Scope {
  readonly level: number;
  readonly #shared: Shared;
  readonly #binding: Binding | undefined;
  readonly #up: Scope | undefined;

  constructor(shared: Shared, binding?: Binding, up?: Scope) {
    this.#shared = shared;
    this.#binding = binding;
    this.#up = up;
    this.level = (up?.level ?? 0) + (binding === undefined || binding.kind === 'function' ? 0 : 1);
  }

  with(binding: Binding): Scope {
    return new Scope(this.#shared, binding, this);
  }

  /** A scope in which nothing is bound, for programs that are not the user's. */
  bare(): Scope {
    return new Scope({ ...this.#shared, free: new Set() });
  }

  compile(ast: Ast): Code {
    return this.#shared.compile(ast, this);
  }

  noteFree(name: string): void {
    this.#shared.free.add(name);
  }

  find(kind: 'variable' | 'label' | 'function', name: string, arity: number): Found | undefined {
    for (let scope: Scope | undefined = this; scope; scope = scope.#up) {
      const binding = scope.#binding;
      if (binding === undefined || binding.name !== name) continue;
      const same = binding.kind === kind || (kind === 'function' && binding.kind === 'parameter');
      if (same && (binding.arity ?? 0) === arity) return { ...binding, level: scope.level };
    }
    return undefined;
  }
}

export function framesUp(frames: Frames, count: number): Frames {
  let found = frames;
  for (let i = 0; i < count; i++) found = found?.up;
  return found;
}

/** What the name bound there stands for. */
export function boundTo(frames: Frames, up: number): unknown {
  return framesUp(frames, up)?.value;
}
