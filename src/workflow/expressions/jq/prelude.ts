/** Functions of jq that are written in jq: rarely called, or whose paths follow from what they are made of. */
import { parseDefinitions } from './parser.ts';
import type { Definition } from './syntax.ts';

const TEXT = `
def arrays: select(type == "array");
def objects: select(type == "object");
def iterables: select(type == "array" or type == "object");
def scalars: select(type != "array" and type != "object");
def booleans: select(type == "boolean");
def numbers: select(type == "number");
def strings: select(type == "string");
def nulls: select(. == null);
def values: select(. != null);
def normals: select(isnormal);
def isfinite: type == "number" and (isinfinite | not);
def finites: select(isfinite);
def first: .[0];
def last: .[-1];
def nth($i): .[$i];
def nth($i; values): if $i < 0 then error("Out of bounds negative array index") else last(limit($i + 1; values)) end;
def skip($n; values):
  if $n > 0 then foreach values as $one (0; . + 1; if . > $n then $one else empty end)
  elif $n == 0 then values else error("skip doesn't support negative count") end;
def walk(f): def inside: (if type == "object" then map_values(inside) elif type == "array" then map(inside) else . end) | f; inside;
def pick(places): . as $whole | reduce path(places) as $p (null; setpath($p; $whole | getpath($p)));
def combinations: if length == 0 then [] else .[0][] as $head | (.[1:] | combinations) as $tail | [$head] + $tail end;
def combinations($n): . as $all | [range($n) | $all] | combinations;
def INDEX(rows; by): reduce rows as $row ({}; .[$row | by | tostring] = $row);
def INDEX(by): INDEX(.[]; by);
def IN(many): . as $one | any(many; . == $one);
def IN(ones; many): any(ones; IN(many));
def ascii: [.] | implode;
def truncate_stream(events): . as $depth | null | events | select((.[0] | length) > $depth) | setpath([0]; .[0][$depth:]);
def fromstream(events): {value: null, done: false} as $none
  | foreach events as $event ($none;
      (if .done then $none else . end)
      | if ($event | length) == 2
        then (if ($event[0] | length) == 0 then {value: $event[1], done: true} else .value = (.value | setpath($event[0]; $event[1])) end)
        else .done = (($event[0] | length) == 1) end;
      if .done then .value else empty end);
`;

export const PRELUDE: ReadonlyMap<string, Definition> = new Map(
  parseDefinitions(TEXT).map((definition) => [`${definition.name}/${definition.parameters.length}`, definition]),
);
