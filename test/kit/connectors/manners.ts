/** What is asked of every connector whatever it can do. Part of the suites of the kit, and by itself for those that only write. */
import { expect, test } from 'vitest';
import { type Connection, type Connector, checkConnection, checkConnector, describeConnector } from '#connector';

export interface Manners {
  readonly config: unknown;
  /** By what is wrong with it: a configuration that does not work, and the code that says so. */
  readonly bad: Readonly<Record<string, { readonly config: unknown; readonly code: string }>>;
}

/** @param place called once for each test */
export function mannersOf(connector: Connector, place: () => Promise<Manners>): void {
  const open = async (config: unknown): Promise<Connection> =>
    checkConnection(await connector.open(connector.spec.parse(config), { endpoint: 'suite' }), connector);

  test('meets the contract, and documents each of its settings', () => {
    checkConnector(connector, connector.name);
    const { properties } = describeConnector(connector).config as { properties: Record<string, object> };
    const silent = Object.entries(properties).filter(([, one]) => !('description' in one));
    expect(silent.map(([name]) => name)).toEqual([]);
  });

  test('lets in who may, and says what is wrong otherwise', async () => {
    const { config, bad } = await place();
    const good = await open(config);
    await good.check();
    await good.close();
    for (const [why, { config: wrong, code }] of Object.entries(bad)) {
      const attempt = open(wrong).then(async (connection) => {
        await connection.check().finally(() => connection.close());
      });
      await expect(attempt, why).rejects.toMatchObject({ code });
    }
  });
}
