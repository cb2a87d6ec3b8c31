/** For `bench process`: one field is changed; stateless, JSON in and out. */
import { defineProcessor, json } from 'sluice/processing';

interface Order {
  readonly id: number;
  readonly customer: string;
  readonly amount: number;
  readonly note: string;
}

export default defineProcessor({
  inputs: { in: json<Order>() },
  outputs: { out: json<Order>() },
  build({ stream }) {
    stream('in')
      .map((order) => ({ ...order, amount: order.amount * 2 }))
      .to('out');
  },
});
