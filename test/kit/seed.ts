/**
 * One seed for all that is random in a test file. It is printed once, when it is first used; the environment variable
 * SLUICE_SEED repeats a run.
 */
import { randomInt } from 'node:crypto';

const SEED_END = 2 ** 31 - 1;
let chosen: number | undefined;

/** The seed of this file: a whole number from 0 to 2^31 - 2. */
export function seed(): number {
  if (chosen === undefined) {
    const given = process.env['SLUICE_SEED'];
    chosen = given === undefined ? randomInt(SEED_END) : Number(given);
    if (!Number.isInteger(chosen)) throw new Error(`SLUICE_SEED must be a whole number, not ${given}`);
    process.stderr.write(`random tests run with SLUICE_SEED=${chosen}\n`);
  }
  return chosen;
}

/** Parameters for fast-check's `assert` that carry the seed: `fc.assert(property, withSeed({ numRuns: 50 }))`. */
export function withSeed<P extends object>(parameters?: P): P & { seed: number } {
  return { ...(parameters as P), seed: seed() };
}

/** Numbers from 0 to below 1, the same ones for the same seed (mulberry32); what a torture schedule draws from. */
export function seededRandom(from: number = seed()): () => number {
  let state = from >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
