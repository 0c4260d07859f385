import type { components } from "../generated/api";

type Schemas = components["schemas"];
export type Order = Schemas["Order"];
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
export type Prices = Schemas["Prices"];
export type Launches = Schemas["Launches"];
