/** Media types: what a body is, and what an answer may be. */
import { SluiceError } from '#kernel';

/** `application/json` of `Application/JSON; charset=utf-8`; empty when there is none. */
export function mediaType(header: string | undefined): string {
  if (header === undefined) return '';
  const semicolon = header.indexOf(';');
  return (semicolon < 0 ? header : header.slice(0, semicolon)).trim().toLowerCase();
}

interface Wish {
  readonly type: string;
  readonly quality: number;
}

/**
 * The offered type that the `Accept` header likes best; the first where it does not say.
 * @throws NOT_ACCEPTABLE
 */
export function negotiate<Type extends string>(accept: string | undefined, offers: readonly Type[]): Type {
  const first = offers[0] as Type;
  if (accept === undefined || accept === '' || accept === '*/*') return first;
  const wishes = accept.split(',').map(parseWish);
  let best: Type | undefined;
  let bestQuality = 0;
  for (const offer of offers) {
    const quality = qualityOf(offer, wishes);
    if (quality > bestQuality) {
      best = offer;
      bestQuality = quality;
    }
  }
  if (best !== undefined) return best;
  throw new SluiceError('NOT_ACCEPTABLE', `this path answers with ${offers.join(', ')}`, { offers: offers.join(', ') });
}

function parseWish(part: string): Wish {
  const quality = /;\s*q\s*=\s*([\d.]+)/i.exec(part)?.[1];
  return { type: mediaType(part), quality: quality === undefined ? 1 : Number(quality) };
}

/** The most exact wish decides, so that `text/html;q=0` forbids under a general wish. */
function qualityOf(offer: string, wishes: readonly Wish[]): number {
  const group = `${offer.slice(0, offer.indexOf('/'))}/*`;
  for (const type of [offer, group, '*/*']) {
    const wish = wishes.find((candidate) => candidate.type === type);
    if (wish !== undefined) return wish.quality;
  }
  return 0;
}
