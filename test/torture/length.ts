/** How long the torture goes on: the short slice is part of `npm test`, the full one is `npm run test:torture`. */
export function rounds(short: number, full: number): number {
  return process.env['SLUICE_TORTURE'] === 'full' ? full : short;
}
