/** The issuer of this server, as whoever checks its tokens by themselves needs to know it. Plain data that bears being cloned. */
export interface IssuerState {
  readonly issuer: string;
  /** JSON Web Keys. */
  readonly keys: readonly Readonly<Record<string, unknown>>[];
  /** Those whose tokens are good, what they may do now, and since when they are there, in epoch seconds. */
  readonly clients: readonly {
    readonly name: string;
    readonly scopes: readonly string[];
    readonly sinceS: number;
    readonly expiresMs: number | null;
  }[];
}
