/**
 * The policies of a thread that outlive a change of the table: those whose declaration stayed the same keep what they
 * remember (tokens, key sets) and are not compiled again. Called when a table is made ready.
 */
import type { Policy } from '../policy.ts';

export class KeptPolicies {
  #before: ReadonlyMap<string, Policy> = new Map();
  #now = new Map<string, Policy>();

  /** A new table is made ready: what it does not take is forgotten with the next. */
  turn(): void {
    this.#before = this.#now;
    this.#now = new Map();
  }

  /** @param key names what the policy is made of, and so its type */
  take<P extends Policy>(key: string, make: () => P): P {
    const policy = this.#now.get(key) ?? this.#before.get(key) ?? make();
    this.#now.set(key, policy);
    return policy as P;
  }
}
