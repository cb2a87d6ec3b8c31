/** The kinds of tasks there are. A new one is a file beside this and a row here. */
import type { TaskKind } from '../definition/kinds.ts';
import type { Behaviour } from '../engine/behaviour.ts';
import { configuration } from '../engine/plan.ts';
import { callBehaviour } from './call.ts';
import { doBehaviour } from './do.ts';
import { emitBehaviour } from './emit.ts';
import { forBehaviour } from './for.ts';
import { forkBehaviour } from './fork.ts';
import { listenBehaviour } from './listen.ts';
import { raiseBehaviour } from './raise.ts';
import { runBehaviour } from './run.ts';
import { setBehaviour } from './set.ts';
import { switchBehaviour } from './switch.ts';
import { tryBehaviour } from './try.ts';
import { waitBehaviour } from './wait.ts';

const BEHAVIOURS: Partial<Record<TaskKind, Behaviour>> = {
  call: callBehaviour,
  do: doBehaviour,
  emit: emitBehaviour,
  for: forBehaviour,
  fork: forkBehaviour,
  listen: listenBehaviour,
  raise: raiseBehaviour,
  run: runBehaviour,
  set: setBehaviour,
  switch: switchBehaviour,
  try: tryBehaviour,
  wait: waitBehaviour,
};

/** @throws Fault of type `configuration` where there is none of the kind */
export function behaviourOf(kind: TaskKind): Behaviour {
  const found = BEHAVIOURS[kind];
  if (found === undefined) throw configuration(`tasks of kind ${kind} cannot be run here`);
  return found;
}
