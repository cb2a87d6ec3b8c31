/** For `bench process`: one field is changed; stateless, MessagePack in and out. */
import { defineProcessor, msgpack } from 'sluice/processing';

interface Order {
  readonly id: number;
  readonly customer: string;
  readonly amount: number;
  readonly note: string;
}

export default defineProcessor({
  inputs: { in: msgpack<Order>() },
  outputs: { out: msgpack<Order>() },
  build({ stream }) {
    stream('in')
      .map((order) => ({ ...order, amount: order.amount * 2 }))
      .to('out');
  },
});
