// This file lets entrance.go declare createRoute without a body.
