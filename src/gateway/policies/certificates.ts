/**
 * Policy of routes with `auth: certificate`: the client is who its TLS certificate says. That the certificate is of an
 * authority that is trusted here, and in its time, the TLS listener has seen; here it is known again, by its fingerprint or
 * its subject, as that of a declared client. Called with the head of a request.
 */
import { X509Certificate } from 'node:crypto';
import { type Clock, covers, SluiceError } from '#kernel';
import type { CertificateHolder } from '#resource';
import type { GatewayRequest, Policy, Verdict } from '../policy.ts';

const PARSED_MAX = 10_000;

export class CertificateHolders {
  readonly #clock: Clock;
  /** By fingerprint and by subject. */
  #holders: ReadonlyMap<string, CertificateHolder> = new Map();
  /** Names by which a certificate is looked up, by its text; the one seen longest ago comes first. */
  readonly #parsed = new Map<string, readonly string[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  replace(holders: readonly CertificateHolder[]): void {
    const found = new Map<string, CertificateHolder>();
    for (const holder of holders) {
      for (const mark of holder.certificates) found.set('sha256' in mark ? mark.sha256 : mark.subject, holder);
    }
    this.#holders = found;
  }

  find(pem: string): CertificateHolder | undefined {
    for (const name of this.#names(pem)) {
      const holder = this.#holders.get(name);
      if (holder === undefined) continue;
      return holder.expiresMs !== null && holder.expiresMs <= this.#clock.now() ? undefined : holder;
    }
    return undefined;
  }

  #names(pem: string): readonly string[] {
    let names = this.#parsed.get(pem);
    if (names !== undefined) return names;
    const { fingerprint256, subject } = new X509Certificate(pem);
    // A fingerprint is one certificate, so it goes before a name that several may have.
    names = [fingerprint256.replaceAll(':', '').toLowerCase(), subject.split('\n').join(',')];
    this.#parsed.set(pem, names);
    if (this.#parsed.size > PARSED_MAX) {
      for (const oldest of this.#parsed.keys()) {
        this.#parsed.delete(oldest);
        break;
      }
    }
    return names;
  }
}

export class CertificatePolicy implements Policy {
  readonly name = 'certificate';
  readonly #holders: CertificateHolders;

  constructor(holders: CertificateHolders) {
    this.#holders = holders;
  }

  check(request: GatewayRequest): Verdict {
    const { certificate, route } = request;
    if (certificate === undefined || certificate === '') return new SluiceError('CERTIFICATE_MISSING');
    const holder = this.#holders.find(certificate);
    if (holder === undefined) return new SluiceError('CERTIFICATE_UNKNOWN');
    const scope = `call:${route.name}`;
    if (!holder.scopes.some((held) => covers(held, scope))) {
      return new SluiceError('FORBIDDEN', `this needs the scope ${scope}`, { scope });
    }
    request.client = { name: holder.name, scopes: holder.scopes };
    return undefined;
  }
}
