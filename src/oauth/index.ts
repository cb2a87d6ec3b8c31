/** The authorization server: access tokens for programs, by the client-credentials grant of OAuth 2. */
export { AuthorizationServer, type AuthorizationServerOptions } from './authorization-server.ts';
