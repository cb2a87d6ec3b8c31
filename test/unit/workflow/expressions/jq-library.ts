/** The library of jq, which our closures are held against: all values that a program gives for each of several inputs. */
import makeJq from 'jq-wasm/dist/build/jq.js';

interface Jq {
  raw(input: string, program: string, flags: readonly string[]): Promise<string>;
}

export type Outcome = { readonly values: readonly unknown[] } | { readonly error: true };

const open = makeJq as unknown as () => Promise<Jq>;

export class JqLibrary {
  #jq = open();

  /** Answers undefined where the library does not take the program. */
  async run(
    program: string,
    inputs: readonly unknown[],
    variables: Readonly<Record<string, unknown>> = {},
  ): Promise<readonly Outcome[] | undefined> {
    const flags = Object.entries(variables).flatMap(([name, value]) => ['--argjson', name, JSON.stringify(value)]);
    const each = `map(try ([(${program}\n)] | {values: .}) catch {error: true})`;
    try {
      const output = await (await this.#jq).raw(JSON.stringify(inputs), each, ['-c', ...flags]);
      return JSON.parse(output) as Outcome[];
    } catch {
      this.#jq = open();
      return undefined;
    }
  }
}

/** As JSON has it: what is no number is null, what has no bound is the largest number. */
export function plain(value: unknown): unknown {
  const text = JSON.stringify(value, (_name, part) => {
    if (typeof part !== 'number') return part;
    if (Number.isNaN(part)) return null;
    return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, part)) + 0;
  });
  return JSON.parse(text ?? 'null');
}
