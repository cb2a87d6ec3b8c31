/**
 * Who wrote a transaction, carried by the domain of its GTID: a number made of the writer's name, which a reader that knows the
 * name finds again. Called by writes and `changes`.
 */
import { createHash } from 'node:crypto';
import type { PoolConnection } from 'mysql2/promise';

/** Above what people number domains with. */
const DOMAIN_MIN = 2 ** 30;
const DOMAINS = 2 ** 30;

export function domainOf(origin: string): number {
  return DOMAIN_MIN + (createHash('sha256').update(`origin ${origin}`).digest().readUInt32BE() % DOMAINS);
}

/** Between transactions. @throws where the user may not set it: needs BINLOG ADMIN or SUPER */
export async function setOrigin(connection: PoolConnection, origin: string | undefined): Promise<void> {
  const domain = origin === undefined ? 'DEFAULT' : domainOf(origin);
  await connection.query(`SET SESSION gtid_domain_id = ${domain}`);
}
