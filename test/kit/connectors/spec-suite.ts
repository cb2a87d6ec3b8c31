/**
 * The suite of connectors that are proven by their vendor's OpenAPI file: every stream is read in full, incrementally and by
 * key, and written in every mode it has; no request may be one that the file does not allow.
 */
import { describe, expect, test } from 'vitest';
import {
  type Connection,
  type Connector,
  checkConnection,
  checkConnector,
  describeConnector,
  type Row,
  type WriteMode,
} from '#connector';
import type { ApiRequest } from './api.ts';
import { readAll, rejected } from './records.ts';
import { lackingSpec, type SpecServer, startSpecServer } from './spec-server.ts';

export interface SpecCase {
  readonly files: readonly string[];
  config(url: string): unknown;
  /** Of the answers that were made: what they must have for reads to come to an end, and for batches to be told apart. */
  readonly shape?: (operation: string, answer: unknown, request: ApiRequest) => unknown;
  /** A record to write, by stream. */
  readonly rows: Readonly<Record<string, Row>>;
  /** Operations that are asked for in tests, at least. */
  readonly uses: readonly string[];
}

const MODES: readonly WriteMode[] = ['insert', 'update', 'upsert', 'append', 'delete'];

export function specSuite(connector: Connector, given: SpecCase): void {
  async function begin(): Promise<{ server: SpecServer; connection: Connection }> {
    const server = await startSpecServer(given.files, given.shape);
    const config = connector.spec.parse(given.config(server.url));
    return { server, connection: checkConnection(await connector.open(config, { endpoint: 'spec' }), connector) };
  }

  describe.skipIf(lackingSpec(...given.files))(`connector ${connector.name}, by its description`, () => {
    test('meets the contract, and documents each of its settings', () => {
      checkConnector(connector, connector.name);
      const { properties } = describeConnector(connector).config as { properties: Record<string, object> };
      expect(Object.entries(properties).filter(([, one]) => !('description' in one))).toEqual([]);
    });

    test('sends nothing that its description does not allow, and reads what it answers', async () => {
      const { server, connection } = await begin();
      await connection.check();
      for (const stream of await connection.discover()) {
        const { name, can, cursors, primaryKey } = stream;
        const request = { stream: name, mode: 'full' as const, pageRecordsMax: 50 };
        const rows = can.includes('full') ? await readAll(connection, request) : [];
        if (can.includes('full')) expect(rows.length, name).toBeGreaterThan(0);
        for (const key of primaryKey) expect(rows[0]?.[key] ?? null, `${name}.${key}`).not.toBeNull();
        if (can.includes('incremental')) {
          const [cursor = ''] = cursors;
          const pages = connection.read?.({ ...request, mode: 'incremental', cursor });
          let state = null;
          for await (const page of pages ?? []) state = page.state;
          // Once more from there, so that the request has its bounds.
          await readAll(connection, { ...request, mode: 'incremental', cursor, state });
        }
        const [first] = rows;
        if (can.includes('lookup') && first !== undefined) {
          const key = Object.fromEntries(primaryKey.map((field) => [field, first[field] ?? null]));
          expect(await connection.lookup?.(name, primaryKey, [key]), name).toHaveLength(1);
        }
        for (const mode of MODES.filter((one) => can.includes(one))) {
          const row = given.rows[name];
          if (row === undefined) throw new Error(`there is no row to ${mode} in ${name}`);
          expect(
            rejected((await connection.write?.({ stream: name, mode, keys: [] }, [row])) ?? []),
            `${mode} ${name}`,
          ).toEqual([]);
        }
      }
      expect(server.violations).toEqual([]);
      expect([...server.used]).toEqual(expect.arrayContaining([...given.uses]));
      await connection.close();
    });

    test('its description would tell', async () => {
      const { server } = await begin();
      await fetch(`${server.url}/no/such/path`);
      expect(server.violations).toHaveLength(1);
    });
  });
}
