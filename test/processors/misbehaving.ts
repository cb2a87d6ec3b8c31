/** For tests: does to each record what the record says: fail, loop, eat memory, end the thread, or pass. */
import { defineProcessor, json } from 'sluice/processing';

interface Order {
  readonly n: number;
  readonly act?: 'throw' | 'loop' | 'eat' | 'exit';
}

function eat(): never {
  const held: object[] = [];
  for (;;) held.push({ some: new Array(1_000).fill(Math.random()) });
}

export default defineProcessor({
  inputs: { orders: json<Order>() },
  outputs: { done: json<Order>() },
  build({ stream }) {
    stream('orders')
      .peek(({ act, n }) => {
        if (act === 'throw') throw new Error(`order ${n} is wrong`);
        if (act === 'eat') eat();
        if (act === 'exit') process.exit(7);
        while (act === 'loop');
      })
      .to('done');
  },
});
