/**
 * Policy `networks`: which addresses requests may come from. What is denied stays denied; where anything is allowed by
 * name, nothing else is. IPv4 addresses are the same in their mapped form. Called first, before anything costs.
 */
import { z } from 'zod';
import { SluiceError } from '#kernel';
import type { GatewayRequest, Policy, Verdict } from '../policy.ts';
import { Networks, parseAddress } from './address.ts';

const list = z.array(z.string().min(1).max(64)).max(100_000);

export const networksSchema = z.strictObject({
  allow: list.default([]).describe('Addresses and networks (CIDR); when there are any, no others'),
  deny: list.default([]),
});

export type NetworksSpec = z.infer<typeof networksSchema>;

/** @throws CONFIG_INVALID where one is neither an address nor a network */
export function compileNetworks({ allow, deny }: NetworksSpec): NetworkLists {
  return new NetworkLists(allow.length > 0 ? new Networks(allow) : undefined, new Networks(deny));
}

export class NetworkLists implements Policy {
  readonly name = 'networks';
  readonly #allow: Networks | undefined;
  readonly #deny: Networks;

  constructor(allow: Networks | undefined, deny: Networks) {
    this.#allow = allow;
    this.#deny = deny;
  }

  check({ clientAddress }: GatewayRequest): Verdict {
    const words = parseAddress(clientAddress);
    const allowed = words !== undefined && !this.#deny.has(words) && (this.#allow?.has(words) ?? true);
    return allowed ? undefined : new SluiceError('ADDRESS_DENIED');
  }
}
