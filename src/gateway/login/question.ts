/** What a listener thread asks the main thread about logins, and what it is answered: plain data. */

/** A login that has begun: kept by the browser, sealed, until the provider sends it back. */
export interface Begun {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

/** What came of a login, or of its renewal. */
export interface LoggedIn {
  readonly claims: Readonly<Record<string, unknown>>;
  readonly refreshToken: string | null;
  /** Epoch seconds from when on it has to be renewed; null: it cannot be, and lasts. */
  readonly freshUntilS: number | null;
}

export type LoginQuestion =
  | { readonly step: 'begin'; readonly route: string }
  | { readonly step: 'finish'; readonly route: string; readonly url: string; readonly begun: Begun }
  | { readonly step: 'renew'; readonly route: string; readonly session: LoggedIn }
  | { readonly step: 'logout'; readonly route: string; readonly refreshToken: string | null };

/** `over`: the provider says that the session has ended. */
export type LoginReply =
  | { readonly kind: 'begun'; readonly url: string; readonly begun: Begun }
  | { readonly kind: 'in'; readonly session: LoggedIn }
  | { readonly kind: 'over' }
  | { readonly kind: 'out'; readonly url: string };
