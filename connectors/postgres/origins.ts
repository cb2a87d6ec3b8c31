/**
 * Connections whose transactions say who wrote them: PostgreSQL carries a replication origin with each, and the stream of changes
 * tells it. One session at a time may use an origin, so every connection takes a number of its own. Called by the connection.
 */
import pg from 'pg';

/** For each writer's name; the server allows as many at once, of all writers, as its setting max_replication_slots. */
const CONNECTIONS_MAX = 2;
const IDLE_MS = 30_000;
const PREFIX = 'sluice:';
const NAME = /^sluice:(.*):\d+$/s;
const IN_USE = '55006';
const EXISTS = '23505';

export class Origins {
  readonly #config: pg.ClientConfig;
  readonly #pools = new Map<string, pg.Pool>();

  constructor(config: pg.ClientConfig) {
    this.#config = config;
  }

  /** Connections of this writer. */
  pool(origin: string): pg.Pool {
    let pool = this.#pools.get(origin);
    if (pool === undefined) {
      pool = new pg.Pool({
        ...this.#config,
        max: CONNECTIONS_MAX,
        idleTimeoutMillis: IDLE_MS,
        // Awaited before the connection is handed out.
        onConnect: (client) => take(client, origin) as unknown as undefined,
      });
      pool.on('error', () => undefined);
      pool.on('connect', (connected) => connected.on('error', () => undefined));
      this.#pools.set(origin, pool);
    }
    return pool;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.end()));
  }
}

/** Who wrote, from the name of a replication origin; those of others are told as they are. */
export function originOf(name: string): string {
  return NAME.exec(name)?.[1] ?? name;
}

async function take(client: pg.ClientBase, origin: string): Promise<void> {
  for (let number = 0; ; number++) {
    const name = `${PREFIX}${origin}:${number}`;
    try {
      const create = 'SELECT pg_replication_origin_create($1) WHERE pg_replication_origin_oid($1) IS NULL';
      await client.query(create, [name]).catch((error: { code?: string }) => {
        if (error.code !== EXISTS) throw error;
      });
      await client.query('SELECT pg_replication_origin_session_setup($1)', [name]);
      return;
    } catch (error) {
      if ((error as { code?: string }).code !== IN_USE) throw error;
    }
  }
}
