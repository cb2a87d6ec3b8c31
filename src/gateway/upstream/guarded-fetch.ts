/**
 * Fetches for policies: key sets of issuers, answers of authorization servers. As an upstream, a server is reached only at
 * addresses that its declaration permits, names are resolved when they are connected to, redirects are not followed, and an
 * answer is read whole up to a bound and a time; of its headers only the content type is told. One for each listener thread
 * and, for logins, one for the main thread.
 */
import { isIP } from 'node:net';
import type { Agent } from 'undici';
import { type Limits, SluiceError } from '#kernel';
import type { FetchKeys, IssuerRequest } from '../policies/key-set.ts';
import { AddressRule, guardedLookup } from './address.ts';
import { undici } from './undici.ts';

const CONNECTIONS_MAX = 32;
/** A status that has no body, to the standard's `Response`. */
const BODILESS = new Set([204, 205, 304]);

export class GuardedFetch {
  readonly #limits: Pick<Limits, 'keySetBytesMax' | 'keySetMs'>;
  /** By networks that are permitted besides. */
  readonly #agents = new Map<string, Agent>();

  constructor(limits: Pick<Limits, 'keySetBytesMax' | 'keySetMs'>) {
    this.#limits = limits;
  }

  /** @param networks that may be reached although they are private, loopback or link-local */
  within(networks: readonly string[]): FetchKeys {
    const rule = new AddressRule(networks);
    undici();
    return async (url, options) => {
      const { hostname } = new URL(url);
      const literal = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
      // A literal address is not resolved when it is connected to.
      if (isIP(literal) !== 0 && !rule.permits(literal)) {
        throw new SluiceError('UPSTREAM_UNREACHABLE', 'the address may not be reached');
      }
      return await this.#fetch(this.#agent(networks, rule), url, options);
    };
  }

  #agent(networks: readonly string[], rule: AddressRule): Agent {
    const key = networks.join(' ');
    const { keySetMs, keySetBytesMax } = this.#limits;
    let agent = this.#agents.get(key);
    if (agent === undefined) {
      const { Agent: NewAgent } = undici();
      agent = new NewAgent({
        connections: CONNECTIONS_MAX,
        connect: { lookup: guardedLookup(rule), timeout: keySetMs },
        headersTimeout: keySetMs,
        bodyTimeout: keySetMs,
        maxResponseSize: keySetBytesMax,
      });
      this.#agents.set(key, agent);
    }
    return agent;
  }

  async #fetch(agent: Agent, url: string, { method, headers, signal, body }: IssuerRequest): Promise<Response> {
    const until = AbortSignal.any([signal, AbortSignal.timeout(this.#limits.keySetMs)]);
    const answer = await undici().request(url, {
      dispatcher: agent,
      method,
      headers: Object.fromEntries(headers),
      signal: until,
      body: body ?? null,
    });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    const { statusCode: status } = answer;
    const type = answer.headers['content-type'];
    const told = typeof type === 'string' ? { 'content-type': type } : {};
    return new Response(BODILESS.has(status) ? null : bytes, { status, headers: told });
  }

  async destroy(): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.destroy()));
  }
}
