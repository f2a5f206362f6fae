-- As Prisma makes a table from a schema in TypeScript: enums, quoted names in camelCase, cuids as
-- text. Facts from several public migrations with a model `Order` that has an `exchangeOrderId`
-- (such as those of trading bots with Next.js and NestJS), read 2026-11-28.
CREATE TYPE "OrderStatus" AS ENUM (
    'PENDING', 'OPEN', 'PARTIALLY_FILLED', 'FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED');
CREATE TYPE "OrderSide" AS ENUM ('BUY', 'SELL');
CREATE TYPE "OrderType" AS ENUM ('MARKET', 'LIMIT');
CREATE TABLE "User" ("id" text NOT NULL, CONSTRAINT "User_pkey" PRIMARY KEY ("id"));
INSERT INTO "User" VALUES ('clh1user00000000000000000');
CREATE TABLE "Order" (
    "id" text NOT NULL,
    "userId" text NOT NULL,
    "exchangeOrderId" text,
    "clientOrderId" text,
    "symbol" text NOT NULL,
    "side" "OrderSide" NOT NULL,
    "type" "OrderType" NOT NULL,
    "status" "OrderStatus" NOT NULL DEFAULT 'PENDING',
    "price" double precision,
    "quantity" double precision NOT NULL,
    "filledQuantity" double precision NOT NULL DEFAULT 0,
    "averagePrice" double precision,
    "createdAt" timestamp(3) NOT NULL DEFAULT current_timestamp,
    "updatedAt" timestamp(3) NOT NULL,
    CONSTRAINT "Order_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "Order_userId_idx" ON "Order" ("userId");
CREATE INDEX "Order_exchangeOrderId_idx" ON "Order" ("exchangeOrderId");
ALTER TABLE "Order" ADD CONSTRAINT "Order_userId_fkey" FOREIGN KEY ("userId")
    REFERENCES "User" ("id") ON DELETE RESTRICT ON UPDATE CASCADE;
