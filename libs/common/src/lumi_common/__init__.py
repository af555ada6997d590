"""What at least three of Lumi's services share; it imports no service and knows no commerce noun."""
