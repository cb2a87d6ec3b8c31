/**
 * Which addresses the gateway may connect to. Private, loopback, link-local (where clouds keep their metadata) and
 * other special networks are refused unless the upstream names them. A name is resolved at the moment of connecting, and
 * the connection goes to the very addresses that were looked at, so a name cannot change its meaning in between.
 */
import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import { BlockList, isIP } from 'node:net';

/** IANA's special-purpose networks that are not globally reachable, and those that carry an IPv4 address inside. */
const SPECIAL_V4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];
const SPECIAL_V6 = [
  '::/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '100::/64',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
  'fc00::/7',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
];
/** A cloud's metadata service with an address that only looks private by chance. */
const METADATA = ['168.63.129.16/32', 'fd00:ec2::254/128'];

const special = networks([...SPECIAL_V4, ...SPECIAL_V6, ...METADATA]);

/** @param list networks such as `10.0.0.0/8`, checked before */
export function networks(list: readonly string[]): BlockList {
  const found = new BlockList();
  for (const network of list) {
    const [address = '', bits = ''] = network.split('/');
    found.addSubnet(address, Number(bits), isIP(address) === 6 ? 'ipv6' : 'ipv4');
  }
  return found;
}

export function contains(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

export class AddressRule {
  readonly #allowed: BlockList;

  constructor(allowed: readonly string[]) {
    this.#allowed = networks(allowed);
  }

  permits(address: string): boolean {
    return isIP(address) !== 0 && (contains(this.#allowed, address) || !contains(special, address));
  }
}

/** Every address that a name had is refused. Its message goes to the log and the problem, so it tells no address. */
class AddressRefused extends Error {
  readonly code = 'ADDRESS_REFUSED';
}

type LookupDone = (error: Error | null, address: string | LookupAddress[], family?: number) => void;

/** A `lookup` for `net.connect` that answers only with addresses the rule permits. */
export function guardedLookup(rule: AddressRule) {
  return (name: string, options: LookupOptions, done: LookupDone): void => {
    lookup(name, { ...options, all: true }, (error, addresses) => {
      const permitted = error === null ? addresses.filter(({ address }) => rule.permits(address)) : [];
      const [first] = permitted;
      if (first === undefined) done(error ?? new AddressRefused(`${name} has no address that may be reached`), []);
      else if (options.all === true) done(null, permitted);
      else done(null, first.address, first.family);
    });
  };
}
