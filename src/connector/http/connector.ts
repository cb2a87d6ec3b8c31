/**
 * A connector out of the declaration of a system over HTTP; called by connectors, once each. The runtime and its libraries are
 * loaded where a connection is opened, so that who only asks what there is does not carry them.
 */
import type { Connector } from '../contract.ts';
import type { HttpSystem } from './declaration.ts';

export interface HttpConnector<Config> extends Omit<Connector<Config>, 'open' | 'types'> {
  readonly types?: Connector['types'];
  /** @throws ENDPOINT_INVALID where the configuration cannot be used although the schema takes it */
  system(config: Config): HttpSystem;
}

export function defineHttpConnector<Config>(given: HttpConnector<Config>): Connector<Config> {
  const { system, types = ['api'], ...connector } = given;
  return {
    ...connector,
    types,
    open: async (config, context) => {
      const { connect } = await import('./connection.ts');
      return connect(system(config), context, connector.can);
    },
  };
}
