// The schema as of the first migration: what schema.ts adds comes with the second.
import { integer, pgEnum, pgTable, text, uuid, varchar } from "drizzle-orm/pg-core";

export const status = pgEnum("status", ["draft", "live"]);

export const team = pgTable("team", {
  id: uuid("id").primaryKey().defaultRandom(),
  name: varchar("name", { length: 100 }).notNull().unique(),
});

export const member = pgTable("member", {
  id: integer("id").primaryKey().generatedByDefaultAsIdentity({ startWith: 10 }),
  teamId: uuid("team_id").notNull(),
  email: text("email").notNull(),
  status: status("status").notNull().default("draft"),
});
