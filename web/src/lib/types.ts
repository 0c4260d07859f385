import type { components } from "../generated/api";

type Schemas = components["schemas"];
/** A schema of ours, or what the desk needs of it where this service is older than limit orders. */
type Known<Name extends string, Otherwise> = Name extends keyof Schemas ? Schemas[Name] : Otherwise;
interface MayRest {
  limitPrice?: string | null;
  expiresAt?: string | null;
  launch?: { event: string; minimumLiquidityUsd: string } | null;
}
export type Order = Schemas["Order"] & MayRest;
export type OrderEvent = Schemas["Event"];
export type Status = Order["status"];
export type Side = Order["side"];
export type Route = Schemas["Route"];
export type Quote = Schemas["Quote"];
export type Token = Schemas["Token"];
export type Placed = Schemas["Placed"];
export type Page = Schemas["Page"];
export type Health = Schemas["Health"];
export type ProblemBody = Schemas["Problem"];
export type FieldError = Schemas["Field"];
export type Stats = Schemas["Stats"];
export type Prices = Known<
  "Prices",
  { points: { at: string; best: string | null; venues: { venue: string; price: string }[] }[] }
>;
export type Launches = Known<
  "Launches",
  { upcoming: { pool: string; token: string; kind: string; confirmedAt: string }[] }
>;
