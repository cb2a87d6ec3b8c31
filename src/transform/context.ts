/** What a list of transformations may ask of the outside while it runs. Given when the list is compiled. */
import { type Clock, DEFAULT_LIMITS, type Limits, systemClock } from '#kernel';

export interface TransformContext {
  /**
   * The row of a table, undefined where there is none. Answers at once: whoever compiles a list has the tables named in
   * `tables` at hand. Rows stay the property of the table; the engine copies what it takes from them.
   */
  readonly lookup?: (table: string, key: string) => unknown;
  readonly clock?: Clock;
  readonly limits?: Limits;
}

/** With what is left out filled in. */
export interface Surroundings {
  readonly lookup: TransformContext['lookup'];
  readonly clock: Clock;
  readonly limits: Limits;
}

export function surroundingsOf({ lookup, clock, limits }: TransformContext): Surroundings {
  return { lookup, clock: clock ?? systemClock, limits: limits ?? DEFAULT_LIMITS };
}
