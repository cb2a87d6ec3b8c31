/** The definitions an engine knows, by name and version, made ready to run when first used. */
import type { WorkflowDocument } from '../definition/document.ts';
import { makePlan, type Plan, type PlanParts } from './plan.ts';

export class Plans {
  readonly #parts: PlanParts;
  readonly #documents = new Map<string, WorkflowDocument>();
  readonly #plans = new Map<string, Plan>();
  /** The version that new instances get. */
  readonly #current = new Map<string, number>();

  constructor(parts: PlanParts) {
    this.#parts = parts;
  }

  define(name: string, version: number, document: WorkflowDocument, current: boolean): void {
    this.#documents.set(`${name}@${version}`, document);
    if (current) this.#current.set(name, version);
  }

  /** No new instances; those that run go on. */
  undefine(name: string): void {
    this.#current.delete(name);
  }

  /** By what its document calls it, or `latest`; of several the newest. Undefined: there is none, or no new run may begin. */
  find(name: string, version: string): number | undefined {
    const current = this.#current.get(name);
    if (current === undefined || version === 'latest' || this.#called(name, current) === version) return current;
    for (let older = current - 1; older > 0; older--) if (this.#called(name, older) === version) return older;
    return undefined;
  }

  #called(name: string, version: number): string | undefined {
    return this.#documents.get(`${name}@${version}`)?.document.version;
  }

  /** @throws Fault of type `configuration` where it cannot be run */
  get(name: string, version: number): Plan {
    const key = `${name}@${version}`;
    let plan = this.#plans.get(key);
    if (plan === undefined) {
      const document = this.#documents.get(key);
      if (document === undefined) throw new Error(`definition ${key} is not known to the engine`);
      plan = makePlan(name, version, document, this.#parts);
      this.#plans.set(key, plan);
    }
    return plan;
  }
}
