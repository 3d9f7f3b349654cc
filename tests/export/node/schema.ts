// One of everything that both Drizzle Kits write and that a snapshot tells of.
import { sql } from "drizzle-orm";
import {
  bigint, bigserial, bit, boolean, char, check, cidr, customType, date, doublePrecision, foreignKey, index, inet, integer,
  interval, json, jsonb, macaddr, numeric, pgEnum, pgPolicy, pgSchema, pgSequence, pgTable, pgView, point, primaryKey, real,
  serial, smallint, text, time, timestamp, unique, uniqueIndex, uuid, varchar,
} from "drizzle-orm/pg-core";

const tsvector = customType<{ data: string }>({ dataType: () => "tsvector" });

export const status = pgEnum("status", ["draft", "live", "gone"]);
export const mood = pgEnum("MyMood", ["a b", "it's"]);
export const billing = pgSchema("billing");
export const level = billing.enum("level", ["low", "high"]);
export const ticket = pgSequence("ticket", { startWith: 100, increment: 5 });
export const number = billing.sequence("invoice_number");

export const team = pgTable("team", {
  id: uuid("id").primaryKey().defaultRandom(),
  name: varchar("name", { length: 100 }).notNull().unique(),
  parent: uuid("parent"),
  rank: integer("rank").generatedAlwaysAsIdentity(),
}, (t) => [foreignKey({ columns: [t.parent], foreignColumns: [t.id] })]);

export const member = pgTable("member", {
  id: integer("id").primaryKey().generatedByDefaultAsIdentity({ startWith: 10 }),
  teamId: uuid("team_id").notNull().references(() => team.id, { onDelete: "cascade" }),
  email: text("email").notNull(),
  status: status("status").notNull().default("draft"),
  number: serial("number").notNull(),
  big: bigserial("big", { mode: "number" }).notNull(),
  mood: mood("mood"),
  moods: mood("moods").array(),
  level: level("level"),
  levels: level("levels").array(),
  tags: text("tags").array().notNull().default(sql`'{}'::text[]`),
  amount: numeric("amount", { precision: 10, scale: 2 }),
  whole: numeric("whole", { precision: 10 }),
  any: numeric("any"),
  at: timestamp("at", { precision: 3, withTimezone: true }).notNull().defaultNow(),
  local: timestamp("local"),
  day: date("day"),
  clock: time("clock", { precision: 2 }),
  clockTz: time("clock_tz", { withTimezone: true }),
  span: interval("span"),
  spanDay: interval("span_day", { fields: "day to second", precision: 3 }),
  flag: boolean("flag").notNull().default(false),
  code: char("code", { length: 4 }),
  letter: char("letter"),
  words: varchar("words"),
  document: json("document"),
  settings: jsonb("settings").notNull().default({}),
  ip: inet("ip"),
  net: cidr("net"),
  mac: macaddr("mac"),
  place: point("place"),
  small: smallint("small"),
  long: bigint("long", { mode: "bigint" }),
  share: real("share"),
  exact: doublePrecision("exact"),
  bits: bit("bits", { dimensions: 3 }),
  search: tsvector("search").generatedAlwaysAs(sql`to_tsvector('english', email)`),
}, (t) => [
  unique("member_team_email").on(t.teamId, t.email),
  unique("member_ip").on(t.ip).nullsNotDistinct(),
  uniqueIndex("member_lower_email").on(sql`lower(${t.email})`),
  uniqueIndex("member_live_email").on(t.email).where(sql`flag`),
  uniqueIndex("member_code").on(t.code),
  index("member_team_index").on(t.teamId, t.status.desc()),
  index("member_expression_index").on(sql`lower(${t.words})`),
  index("member_tags_index").using("gin", t.tags),
  index().on(t.day),
  check("amount_positive", sql`${t.amount} > 0`),
]);

export const odd = pgTable("Odd.Table", {
  left: integer("Left"),
  right: integer("right"),
}, (t) => [primaryKey({ columns: [t.left, t.right] })]);

export const counter = pgTable("counter", { id: integer("id").primaryKey().generatedAlwaysAsIdentity() });

export const invoice = billing.table("invoice", {
  id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
  memberId: integer("member_id").references(() => member.id),
  parentId: bigint("parent_id", { mode: "number" }),
  level: level("level").notNull(),
  note: text("note"),
}, (t) => [
  foreignKey({ columns: [t.parentId], foreignColumns: [t.id] }),
  index("invoice_member").on(t.memberId),
  pgPolicy("own", { for: "all", using: sql`true` }),
]);

export const live = pgView("live_member").as((qb) =>
  qb.select({ id: member.id, email: member.email, status: member.status }).from(member));
export const totals = billing.materializedView("totals", { n: integer("n") }).as(sql`select count(*) as n from "member"`);
export const given = pgView("given", { id: text("id").notNull() }).existing();
