/** The authorization server: access tokens for programs, by the client-credentials grant of OAuth 2. */
export { AuthorizationServer, type AuthorizationServerOptions, type IssuerState } from './authorization-server.ts';
export type { Mount, MountAnswer, MountRequest } from './mount.ts';
