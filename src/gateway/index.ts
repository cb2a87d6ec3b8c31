/** The API gateway: routes and upstreams, served on listener threads of its own. */
export { Gateway, type GatewayOptions } from './gateway.ts';
