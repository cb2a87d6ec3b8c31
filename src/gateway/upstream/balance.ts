/**
 * Ways to choose among targets that can take a request. Each is a scan of a short list; what it needs to remember is in
 * the targets. Pure; called by the upstream.
 */

export interface Choice {
  /** From the declaration, less while it starts slowly; above 0. */
  share: number;
  /** Requests under way. */
  inFlight: number;
  /** Peak-sensitive mean of the time to the first byte; 0 while not measured. */
  latencyMs: number;
  /** Of smooth round robin. */
  turn: number;
  /** Hash of its name. */
  readonly hash: number;
}

export type Balance = <T extends Choice>(choices: readonly T[], keyHash: number) => T;

/** Smooth weighted round robin: heavy ones are spread out, not served in a run. */
function roundRobin<T extends Choice>(choices: readonly T[]): T {
  let best = choices[0] as T;
  let total = 0;
  for (const choice of choices) {
    choice.turn += choice.share;
    total += choice.share;
    if (choice.turn > best.turn) best = choice;
  }
  best.turn -= total;
  return best;
}

function least<T extends Choice>(choices: readonly T[], cost: (choice: T) => number): T {
  // Begins at another place each time, so that equals take turns.
  const start = choices.length === 1 ? 0 : Math.floor(Math.random() * choices.length);
  let best = choices[start] as T;
  let bestCost = cost(best);
  for (let i = 1; i < choices.length; i++) {
    const choice = choices[(start + i) % choices.length] as T;
    const its = cost(choice);
    if (its < bestCost) {
      best = choice;
      bestCost = its;
    }
  }
  return best;
}

const leastConnections: Balance = (choices) => least(choices, ({ inFlight, share }) => (inFlight + 1) / share);

/** One that was never measured gets one request, and more once that is answered. */
const UNMEASURED_MS = 60_000;
const peakEwma: Balance = (choices) =>
  least(choices, ({ inFlight, latencyMs, share }) => {
    if (latencyMs === 0) return inFlight === 0 ? 0 : UNMEASURED_MS * inFlight;
    return (latencyMs * (inFlight + 1)) / share;
  });

/** Weighted rendezvous: when a target comes or goes, only the keys move that are its own. */
function rendezvous<T extends Choice>(choices: readonly T[], keyHash: number): T {
  let best = choices[0] as T;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (const choice of choices) {
    const unit = (mix(keyHash ^ choice.hash) + 1) / (2 ** 32 + 1);
    const score = -choice.share / Math.log(unit);
    if (score > bestScore) {
      best = choice;
      bestScore = score;
    }
  }
  return best;
}

export const BALANCES: Readonly<Record<'round_robin' | 'least_connections' | 'ewma' | 'hash', Balance>> = {
  round_robin: roundRobin,
  least_connections: leastConnections,
  ewma: peakEwma,
  hash: rendezvous,
};

/** A latency above the mean counts at once, one below it as time passes. */
export function peakMean(mean: number, measuredMs: number, elapsedMs: number): number {
  if (measuredMs >= mean) return measuredMs;
  const kept = Math.exp(-elapsedMs / 10_000);
  return mean * kept + measuredMs * (1 - kept);
}

/** FNV-1a, 32 bits. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
