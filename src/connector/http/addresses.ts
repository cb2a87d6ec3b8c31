/**
 * Where connections may go. Who declares an endpoint chooses its host, private ones too, but neither a redirect nor a name may
 * lead to what lies beside this machine: link-local networks and metadata services of clouds are refused unless they are
 * named. A name is resolved when it is connected to, and the connection goes to the address that was looked at.
 */
import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import { BlockList, isIP } from 'node:net';
import { SluiceError } from '#kernel';

const REFUSED = [
  '0.0.0.0/8',
  '169.254.0.0/16',
  '100.100.100.200/32',
  '168.63.129.16/32',
  '192.0.0.192/32',
  '224.0.0.0/4',
  '255.255.255.255/32',
  '::/128',
  'fe80::/10',
  'fd00:ec2::254/128',
  'fd20:ce::254/128',
  'ff00::/8',
];

type Done = (error: Error | null, address: string | LookupAddress[], family?: number) => void;

export class Addresses {
  readonly #refused = listOf(REFUSED);
  readonly #allowed: BlockList;

  constructor(allowed: readonly string[]) {
    this.#allowed = listOf(allowed);
  }

  permits(address: string): boolean {
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    return isIP(address) !== 0 && (this.#allowed.check(address, family) || !this.#refused.check(address, family));
  }

  /** A literal address is not looked up. @throws ENDPOINT_REFUSED */
  requirePermitted({ hostname }: URL): void {
    const literal = hostname.replace(/^\[|\]$/g, '');
    if (isIP(literal) !== 0 && !this.permits(literal)) throw refused(hostname);
  }

  /** For `net.connect`. */
  readonly lookup = (name: string, options: LookupOptions, done: Done): void => {
    lookup(name, { ...options, all: true }, (error, found) => {
      const permitted = error === null ? found.filter(({ address }) => this.permits(address)) : [];
      const [first] = permitted;
      if (first === undefined) done(error ?? refused(name), []);
      else if (options.all === true) done(null, permitted);
      else done(null, first.address, first.family);
    });
  };
}

function refused(host: string): SluiceError {
  const message = `${host} is link-local or a metadata service; allow_networks can permit it`;
  return new SluiceError('ENDPOINT_REFUSED', message);
}

function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits = ''] = network.split('/');
    list.addSubnet(address, Number(bits), isIP(address) === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
}
